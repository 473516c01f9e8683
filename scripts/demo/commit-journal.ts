import type { Admin, Kafka } from 'kafkajs'
import type { Commit, Place } from './audit.ts'
import { SERVICES } from './duties.ts'
import { decodeCommit, COMMITS_TOPIC as JOURNAL, readAll } from '../kafka-log/index.ts'

/** Where the journal ends now: what stands before it on a given cluster is not this run's. */
export async function journalEnd(admin: Admin): Promise<readonly Place[]> {
  if (!(await admin.listTopics()).includes(JOURNAL)) return [] // Kafka makes it for the first group
  const ends = await admin.fetchTopicOffsets(JOURNAL)
  return ends.map(({ partition, high }) => ({ topic: JOURNAL, partition, offset: BigInt(high) }))
}

/** Every commit of the services' groups, those of a group in the order in which the broker took them. */
export async function readCommits(kafka: Kafka, from: readonly Place[]): Promise<readonly Commit[]> {
  const records = await readAll(kafka, [JOURNAL], from)
  return records
    .flatMap(({ key, value }) => (key === null || value === null ? [] : (decodeCommit(key, value) ?? [])))
    .map(({ group, ...commit }) => ({ service: group, ...commit }))
    .filter(({ service }) => SERVICES.has(service))
}

import type { Admin, Kafka } from 'kafkajs'
import type { Commit, Place } from './audit.ts'
import { SERVICES } from './duties.ts'
import { readAll } from './read-all.ts'

/** Where Kafka itself writes down every commit of every group: what a group has committed in between is seen too. */
const JOURNAL = '__consumer_offsets'

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
    .filter(({ service }) => SERVICES.has(service))
}

/** Kafka's own format (`OffsetCommitKey`, `OffsetCommitValue`); undefined for the journal's records about members. */
export function decodeCommit(key: Buffer, value: Buffer): Commit | undefined {
  if (key.readInt16BE(0) > 1) return undefined
  let at = 2
  const text = (): string => {
    const length = key.readInt16BE(at)
    at += 2 + length
    return key.toString('utf8', at - length, at)
  }
  const service = text()
  const topic = text()
  return { service, topic, partition: key.readInt32BE(at), offset: value.readBigInt64BE(2) }
}

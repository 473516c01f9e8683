import type { Place } from '../../../scripts/kafka-log/index.ts'
import { DEAD_LETTER_HEADERS } from '../../../src/dlq/index.ts'
import { COMMITS_TOPIC, decodeCommit, readAll } from '../../../scripts/kafka-log/index.ts'
import type { AcceptedCommit, DeadLetterRecord, Effect, RunData, SourceRecord } from '../checker/index.ts'
import { digestOf, digestOfHeaders } from '../checker/index.ts'
import { VALUE_HEADER } from '../worker/index.ts'
import type { ChaosCluster } from './chaos-cluster.ts'
import { patiently } from './patiently.ts'
import type { World } from './world.ts'

const DEAD_LETTER_NAMES: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER_HEADERS))

/** What the cluster and the database say when all is over. */
export type ReadBack = Required<Pick<RunData, 'effects' | 'log' | 'deadLetters' | 'commits' | 'logEnds'>>

/** Where the groups' commits end now: what stands before is another scenario's. */
export async function commitsSoFar({ admin }: ChaosCluster): Promise<readonly Place[]> {
  if (!(await admin.listTopics()).includes(COMMITS_TOPIC)) return []
  const ends = await admin.fetchTopicOffsets(COMMITS_TOPIC)
  return ends.map(({ partition, high }) => ({ topic: COMMITS_TOPIC, partition, offset: BigInt(high) }))
}

/** Reads everything with a fresh reader that passes over what was rolled back. */
export async function readBack(world: World, commitsFrom: readonly Place[]): Promise<ReadBack> {
  const [log, deadLetters, commits, effects, logEnds] = await Promise.all([
    patiently(() => readSource(world)),
    patiently(() => readDeadLetters(world)),
    patiently(() => readCommits(world, commitsFrom)),
    patiently(() => readEffects(world)),
    patiently(() => readEnds(world)),
  ])
  return { log, deadLetters, commits, effects, logEnds }
}

async function readSource({ cluster, topic }: World): Promise<readonly SourceRecord[]> {
  const records = await readAll(cluster.kafka, [topic])
  return records.map(({ place, key, value, atMs, headers, text }) => ({
    ...place,
    key: key === null ? null : key.toString(),
    value: text(VALUE_HEADER) ?? null,
    timestamp: atMs,
    // What a stranger forged is not taken over into a dead letter: only Holdfast's own topics may carry it.
    headersDigest: digestOfHeaders(headers.filter(([name]) => !DEAD_LETTER_NAMES.has(name))),
    valueDigest: digestOf(value),
  }))
}

async function readDeadLetters({ cluster, deadLetterTopic }: World): Promise<readonly DeadLetterRecord[]> {
  const records = await readAll(cluster.kafka, [deadLetterTopic])
  return records.map(({ place, key, value, headers }) => ({
    ...place,
    key: key === null ? null : key.toString(),
    value: digestOf(value),
    headers,
  }))
}

/** In the order in which the broker took them. */
async function readCommits({ cluster, group }: World, from: readonly Place[]): Promise<readonly AcceptedCommit[]> {
  const records = await readAll(cluster.kafka, [COMMITS_TOPIC], from)
  return records
    .flatMap(({ key, value }) => (key === null || value === null ? [] : (decodeCommit(key, value) ?? [])))
    .filter((commit) => commit.group === group)
}

/** Those of an inbox are in its own database. */
async function readEffects({ cluster, stores, group, workload }: World): Promise<readonly Effect[]> {
  const database = workload.dedupe.kind === 'inbox' ? stores.postgres!.database : cluster.database
  const { rows } = await database.query<Omit<Effect, 'seq' | 'offset'> & { seq: string; offset: string }>(
    `select seq, grp as "group", value, key, topic, partition, "offset", proc, epoch from effects where grp = $1 order by seq`,
    [group],
  )
  return rows.map((row) => ({ ...row, seq: Number(row.seq), offset: BigInt(row.offset) }))
}

async function readEnds({ cluster, topic }: World) {
  const ends = await cluster.admin.fetchTopicOffsets(topic)
  return ends.map(({ partition, high }) => ({ topic, partition, end: BigInt(high) }))
}

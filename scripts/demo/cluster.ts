import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, Kafka, Producer } from 'kafkajs'
import type { LogRecord, Letter, Place } from './audit.ts'
import { SERVICES, TOPICS } from './duties.ts'
import type { PlannedPill } from './order-plan.ts'
import { readAll } from '../kafka-log/index.ts'

// The demo looks at the cluster through bare kafkajs: what is audited does not get to describe itself.

/** How far a group is behind. */
export interface Lag {
  readonly group: string
  readonly behind: bigint
}

/** A cluster that was given may hold a former run's topics: their records would be audited as this run's. */
export async function makeRoom(admin: Admin, reset: boolean, say: (text: string) => void): Promise<void> {
  const ours = new Set([...TOPICS, ...TOPICS.map((topic) => `${topic}.dlq`)])
  const present = (await admin.listTopics()).filter((topic) => ours.has(topic))
  if (present.length === 0) return
  if (!reset) {
    throw new Error(
      `the cluster already has ${present.join(', ')}, and the demo needs them empty. ` +
        'Run it with --reset to delete these topics and their groups, or unset KAFKA_BROKERS for a Kafka of its own.',
    )
  }
  say(`deleting ${present.length} topics and their groups`)
  await admin.deleteTopics({ topics: present })
  const { groups } = await admin.listGroups()
  const known = groups.map(({ groupId }) => groupId).filter((groupId) => SERVICES.has(groupId))
  if (known.length > 0) await admin.deleteGroups(known)
  while ((await admin.listTopics()).some((topic) => ours.has(topic))) await sleep(100)
}

/** Sends a pill as bytes, past everything that would refuse it. */
export async function sendPill(producer: Producer, { topic, key, value }: PlannedPill): Promise<Place> {
  const [sent] = await producer.send({ topic, acks: -1, messages: [{ key, value }] })
  return { topic, partition: sent!.partition, offset: BigInt(sent!.baseOffset!) }
}

/** The lag of every service's group, and where the logs end: equal ends in two looks mean that nothing moved in between. */
export async function lags(admin: Admin): Promise<{ readonly lags: readonly Lag[]; readonly ends: string }> {
  // Commits first, ends after: the other way round, what is written in between would count as read too early.
  const commits = await Promise.all(
    [...SERVICES].map(async ([group, topics]) => ({
      group,
      topics,
      commits: await admin.fetchOffsets({ groupId: group, topics: [...topics] }),
    })),
  )
  const ends = new Map<string, { readonly high: bigint; readonly low: bigint }>()
  const topics = [...TOPICS, ...TOPICS.map((topic) => `${topic}.dlq`)]
  const offsets = await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)))
  topics.forEach((topic, i) => {
    for (const { partition, high, low } of offsets[i]!) {
      ends.set(`${topic}/${partition}`, { high: BigInt(high), low: BigInt(low) })
    }
  })

  const ofGroups = commits.map(({ group, topics: read, commits: ofTopics }) => {
    const committed = new Map(
      ofTopics.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => [String(`${topic}/${partition}`), BigInt(offset)] as const),
      ),
    )
    const behind = [...ends]
      .filter(([place]) => read.some((topic) => place.startsWith(`${topic}/`)))
      .map(([place, { high, low }]) => {
        const next = committed.get(place) ?? -1n // -1: no commit yet
        return high - (next < 0n ? low : next)
      })
    return { group, behind: behind.reduce((sum, each) => sum + each, 0n) }
  })
  const position = [...ends].map(([place, { high }]) => `${place}/${high}`)
  return { lags: ofGroups, ends: position.toSorted().join() }
}

/** Every record of the source topics; the pills are known by their places. */
export async function readLog(kafka: Kafka, pills: readonly Place[]): Promise<readonly LogRecord[]> {
  const pillPlaces = new Set(pills.map(placeId))
  const records = await readAll(kafka, TOPICS)
  return records.map(({ place, text, value }) => {
    if (pillPlaces.has(placeId(place))) return { kind: 'pill', ...place }
    const event = JSON.parse(String(value)) as { readonly type: string; readonly orderId: string }
    return {
      kind: 'event',
      ...place,
      eventId: text('holdfast-id') ?? placeId(place),
      type: event.type,
      orderId: event.orderId,
      value: event,
    }
  })
}

/** Every dead letter. @param stored - places on the dead letter topics that the monitor has in its table. */
export async function readLetters(kafka: Kafka, stored: ReadonlySet<string>): Promise<readonly Letter[]> {
  const records = await readAll(
    kafka,
    TOPICS.map((topic) => `${topic}.dlq`),
  )
  return records.map(({ place, text, atMs }) => ({
    service: text('holdfast-dlq-group') ?? 'unknown',
    topic: text('holdfast-dlq-topic') ?? 'unknown',
    partition: Number(text('holdfast-dlq-partition') ?? -1),
    offset: BigInt(text('holdfast-dlq-offset') ?? -1),
    reason: text('holdfast-dlq-reason') ?? 'unknown',
    atMs,
    stored: stored.has(placeId(place)),
  }))
}

/** A place as a map key. */
export function placeId({ topic, partition, offset }: Place): string {
  return `${topic}/${partition}/${offset}`
}

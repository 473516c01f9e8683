import type { Driver, DriverAdmin } from '../driver/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import { silentLogger } from '../logger/index.ts'
import type { InboundRecord } from '../record/index.ts'
import { formatPosition, headerText, MESSAGE_HEADERS } from '../record/index.ts'
import type { AuditFact, AuditScope, AuditSource } from './audit-source.ts'
import type { PartitionRange } from './read-topic.ts'
import { readTopic } from './read-topic.ts'

/** Which records of a topic. */
export interface TopicRecordsOptions {
  /** Only what this group has committed: below that, each record has had its outcome. @defaultValue all */
  readonly committedBy?: string
  /** Records of another `holdfast-source` are nobody's extras. @defaultValue those of any source */
  readonly source?: string
  /** Records without an id: left out and counted, or known by their place, as inboxes know them. @defaultValue `'leave-out'` */
  readonly withoutId?: 'leave-out' | 'by-place'
  /** Nothing for so long, in milliseconds, ends the audit: a transaction that is open holds the records behind it back. 1 or more. @defaultValue `60_000` */
  readonly stalledAfterMs?: number
  /** @defaultValue silent */
  readonly logger?: Logger
}

/**
 * The committed records of a topic, from the window's beginning to where the topic ends when the reading begins. Read by a group of its own, which commits
 * nothing.
 *
 * A topic that is compacted has let go of records, and they are missing.
 *
 * @throws HOLDFAST_CONFIG_INVALID. While it is read: HOLDFAST_TOPIC_UNKNOWN, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_UNAVAILABLE
 */
export function topicRecords(driver: Driver, topic: string, options: TopicRecordsOptions = {}): AuditSource {
  const problems = problemsOf(driver, topic, options)
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'topicRecords: options do not fit', { problems })
  const { stalledAfterMs = 60_000, logger = silentLogger } = options
  return {
    kind: 'facts',
    name: `topic ${topic}`,
    places: 'records',
    keyed: true,
    async *read(scope) {
      const { runtime, signal } = scope
      const admin = driver.createAdmin({ runtime, logger })
      let placed: Placed
      try {
        placed = await place(admin, topic, options, scope)
      } finally {
        await admin.close()
      }
      const { ranges, trimmed } = placed
      scope.tell({ kind: 'expected', facts: ranges.reduce((sum, { begin, end }) => sum + Number(end - begin), 0) })
      for (const { partition, earliest } of trimmed) scope.tell({ kind: 'begins', line: partition, order: earliest })
      const unseen = new Set(trimmed.filter(beginsThere(ranges)).map(({ partition }) => partition))
      let wholeSinceMs = -Infinity
      for await (const records of readTopic({ driver, topic, ranges, stalledAfterMs, runtime, logger, signal })) {
        const [first] = records
        if (first !== undefined && unseen.delete(first.partition)) {
          wholeSinceMs = Math.max(wholeSinceMs, Number(first.timestamp))
          scope.tell({ kind: 'whole-since', atMs: wholeSinceMs })
        }
        const facts: AuditFact[] = []
        for (const record of records) {
          const fact = factOf(record, options)
          if (fact === null) scope.tell({ kind: 'without-id' })
          else facts.push(fact)
        }
        yield facts
      }
    },
  }
}

interface Placed {
  readonly ranges: readonly PartitionRange[]
  /** Partitions that have let go of records. */
  readonly trimmed: ReadonlyArray<{ readonly partition: number; readonly earliest: bigint }>
}

async function place(
  admin: DriverAdmin,
  topic: string,
  { committedBy }: TopicRecordsOptions,
  { sinceMs, beginAt }: AuditScope,
): Promise<Placed> {
  await admin.connect()
  if (!(await admin.partitionCounts([topic])).has(topic))
    throw new HoldfastError('HOLDFAST_TOPIC_UNKNOWN', `the topic ${topic} does not exist, or may not be seen`)
  // Before the ends are asked for: what it has committed by now is on the log.
  const committed = committedBy === undefined ? null : await admin.committedOffsets(committedBy, [topic])
  const since = sinceMs === null ? null : await admin.offsetsAt(topic, Math.max(0, Math.floor(sinceMs)))
  const all = await admin.offsetRanges(topic)
  const ranges = all.map(({ partition, earliest, latest }): PartitionRange => {
    const ofPartition = (each: { readonly partition: number }): boolean => each.partition === partition
    let begin = since?.find(ofPartition)?.offset ?? earliest
    const wanted = beginAt.get(partition)
    if (wanted !== undefined && wanted < begin) begin = wanted
    if (begin < earliest) begin = earliest
    const done = committed === null ? latest : (committed.find(ofPartition)?.offset ?? 0n)
    return { partition, begin, end: done < latest ? done : latest }
  })
  return { ranges, trimmed: all.filter(({ earliest }) => earliest > 0n) }
}

/** Is a partition read from the first record that it still has? What was before that, nobody knows. */
function beginsThere(ranges: readonly PartitionRange[]) {
  return (of: { readonly partition: number; readonly earliest: bigint }): boolean =>
    ranges.some(({ partition, begin }) => partition === of.partition && begin === of.earliest)
}

/** The longest id that a producer of ours sends, in UTF-16 units; consumers take a longer one for none. */
const MAX_ID_LENGTH = 200

function factOf(record: InboundRecord, { source, withoutId }: TopicRecordsOptions): AuditFact | null {
  const header = headerText(record.headers, MESSAGE_HEADERS.id)
  const own = header === undefined || header === '' || header.length > MAX_ID_LENGTH ? null : header
  if (own === null && withoutId !== 'by-place') return null
  const isForeign = source !== undefined && headerText(record.headers, MESSAGE_HEADERS.source) !== source
  return {
    id: own ?? formatPosition(record),
    key: record.key,
    line: record.partition,
    order: record.offset,
    atMs: Number(record.timestamp),
    state: isForeign ? 'foreign' : record.value === null ? 'tombstone' : 'due',
  }
}

function problemsOf(driver: Driver, topic: string, options: TopicRecordsOptions): readonly Problem[] {
  const { stalledAfterMs = 1 } = options
  const problems: Problem[] = []
  if (typeof driver?.createConsumer !== 'function') problems.push({ path: 'driver', message: 'must be a Driver' })
  if (typeof topic !== 'string' || topic === '')
    problems.push({ path: 'topic', message: 'must be the name of a topic' })
  if (!Number.isFinite(stalledAfterMs) || stalledAfterMs < 1)
    problems.push({ path: 'stalledAfterMs', message: 'must be a number of 1 or more' })
  return problems
}

import type { AssignedPartition, DriverAdmin } from '../driver/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import type { ConsumerOptions } from './consumer-options.ts'

/**
 * Topics for which the group had committed nothing when this process started, with how many partitions they had then. `startAt`
 * is for these partitions alone. One that appeared later, or while the group was away, starts at its earliest record: whoever
 * reads a topic from `latest` on means records from now on, not to lose the first ones of a new partition.
 */
export interface FreshTopics {
  readonly partitionCounts: ReadonlyMap<string, number>
  /** Partitions that this process has begun by `startAt` and committed: one without a commit after that was made anew. */
  readonly begun: Set<string>
}

/** Asks the cluster for which topics the group is new. */
export async function findFreshTopics(
  admin: DriverAdmin,
  groupId: string,
  partitionCounts: ReadonlyMap<string, number>,
): Promise<FreshTopics> {
  const committed = await admin.committedOffsets(groupId, [...partitionCounts.keys()])
  const known = new Set(committed.map(({ topic }) => topic))
  return {
    partitionCounts: new Map([...partitionCounts].filter(([topic]) => !known.has(topic))),
    begun: new Set(),
  }
}

/**
 * Where each of these partitions starts: the group's commit, else by the rules of {@link FreshTopics}.
 *
 * @throws HOLDFAST_UNAVAILABLE and what else the driver has to say; asking again is safe.
 */
export async function startPositions(
  partitions: readonly AssignedPartition[],
  startAt: NonNullable<ConsumerOptions['startAt']>,
  fresh: FreshTopics,
  admin: DriverAdmin,
): Promise<readonly Position[]> {
  const open = partitions.filter(({ committed }) => committed === null)
  const topics = [...new Set(open.map(({ topic }) => topic))]
  const finders = new Map(
    await Promise.all(topics.map(async (topic) => [topic, await finderFor(topic, startAt, fresh, admin)] as const)),
  )
  return partitions.map(({ topic, partition, committed }) => {
    const offset = committed?.offset ?? finders.get(topic)?.(partition)
    if (offset === undefined) throw nowhere({ topic, partition })
    return { topic, partition, offset }
  })
}

type Finder = (partition: number) => bigint | undefined

async function finderFor(
  topic: string,
  startAt: NonNullable<ConsumerOptions['startAt']>,
  fresh: FreshTopics,
  admin: DriverAdmin,
): Promise<Finder> {
  const ranges = new Map((await admin.offsetRanges(topic)).map((range) => [range.partition, range]))
  const knownAtStart = fresh.partitionCounts.get(topic) ?? 0
  const earliest: Finder = (partition) => ranges.get(partition)?.earliest
  if (startAt === 'earliest' || knownAtStart === 0) return earliest
  const wanted: Finder =
    startAt === 'latest' ? (partition) => ranges.get(partition)?.latest : await finderByTime(topic, startAt, admin)
  return (partition) => {
    const isFresh = partition < knownAtStart && !fresh.begun.has(formatPartition({ topic, partition }))
    return isFresh ? wanted(partition) : earliest(partition)
  }
}

async function finderByTime(topic: string, time: Date, admin: DriverAdmin): Promise<Finder> {
  const offsets = new Map(
    (await admin.offsetsAt(topic, time.getTime())).map(({ partition, offset }) => [partition, offset]),
  )
  return (partition) => offsets.get(partition)
}

function nowhere(partition: TopicPartition): HoldfastError {
  return new HoldfastError(
    'HOLDFAST_UNAVAILABLE',
    `${formatPartition(partition)}: the cluster does not say where it begins`,
    { retriable: true },
  )
}

import type { DriverAdmin } from '../driver/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import type { SeekTarget } from './consumer.ts'

/**
 * The positions that a target means.
 *
 * @param owned - what this member owns
 * @throws HOLDFAST_CONFIG_INVALID, HOLDFAST_EPOCH_LOST when nothing, or not the partition, is owned; what the driver has to say
 */
export async function positionsOf(
  to: SeekTarget,
  topics: readonly string[],
  owned: readonly TopicPartition[],
  admin: DriverAdmin,
): Promise<readonly Position[]> {
  const problems = [...problemsOf(to, topics)]
  if (problems.length > 0) throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'seek: no such place', { problems })
  const { topic, partition } = to
  const meant = owned.filter(
    (each) => each.topic === topic && (partition === undefined || each.partition === partition),
  )
  if (meant.length === 0) {
    const what = partition === undefined ? `no partition of ${topic}` : formatPartition({ topic, partition })
    throw new HoldfastError('HOLDFAST_EPOCH_LOST', `seek: ${what} is owned by this member: nothing was changed`)
  }
  if ('offset' in to) return [{ topic, partition: to.partition, offset: to.offset }]
  const found = await admin.offsetsAt(topic, to.timestamp.getTime())
  return found.filter((each) => meant.some((one) => one.partition === each.partition))
}

function* problemsOf(to: unknown, topics: readonly string[]): Iterable<Problem> {
  if (typeof to !== 'object' || to === null) {
    yield { path: 'to', message: 'must say topic, and partition and offset, or timestamp' }
    return
  }
  const { topic, partition, offset, timestamp } = to as Readonly<Record<string, unknown>>
  if (typeof topic !== 'string' || !topics.includes(topic)) {
    yield { path: 'topic', message: 'must be a topic of this consumer' }
  }
  if (partition === undefined ? 'offset' in to : !isPartition(partition)) {
    yield { path: 'partition', message: 'must be a partition number, 0 or more' }
  }
  if ('offset' in to) {
    if (typeof offset !== 'bigint' || offset < 0n || offset > MAX_OFFSET)
      yield { path: 'offset', message: 'must be a bigint of 0n to 2n ** 63n - 1n' }
  } else if (!(timestamp instanceof Date) || Number.isNaN(timestamp.getTime())) {
    yield { path: 'timestamp', message: 'must be a valid Date' }
  }
}

function isPartition(given: unknown): boolean {
  return Number.isInteger(given) && (given as number) >= 0
}

/** Kafka's offsets are signed, of 64 bits. */
const MAX_OFFSET = 2n ** 63n - 1n

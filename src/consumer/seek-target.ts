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

function* problemsOf(to: SeekTarget, topics: readonly string[]): Iterable<Problem> {
  if (!topics.includes(to.topic)) yield { path: 'topic', message: 'is not a topic of this consumer' }
  if ('offset' in to) {
    if (typeof to.offset !== 'bigint' || to.offset < 0n)
      yield { path: 'offset', message: 'must be a bigint, 0n or more' }
    if (!Number.isInteger(to.partition)) yield { path: 'partition', message: 'must be a partition number' }
  } else if (!(to.timestamp instanceof Date) || Number.isNaN(to.timestamp.getTime())) {
    yield { path: 'timestamp', message: 'must be a valid Date' }
  }
}

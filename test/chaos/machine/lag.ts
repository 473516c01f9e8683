import { formatPartition } from '../../../src/record/index.ts'
import { patiently } from './patiently.ts'
import type { World } from './world.ts'

const LOOK_EVERY_MS = 300
const CALM_LOOKS = 2

/**
 * How many offsets a group is behind the end of a topic, markers and rolled back records included. kafkajs is told only of the end of
 * what is decided: behind a transaction whose end is still on its way there is more, which the producers know of.
 */
export async function lagOf({ cluster, group, topic, live }: World): Promise<bigint> {
  live.look()
  // Commits first, ends after: the other way round, what is written in between would count as read too early.
  const [commits] = await cluster.admin.fetchOffsets({ groupId: group, topics: [topic] })
  const ends = await cluster.admin.fetchTopicOffsets(topic)
  const committed = new Map(commits!.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]))
  return ends.reduce((sum, { partition, high, low }) => {
    const next = committed.get(partition) ?? -1n // -1: no commit yet
    const acked = (live.ackedUpTo.get(formatPartition({ topic, partition })) ?? -1n) + 1n
    const end = acked > BigInt(high) ? acked : BigInt(high)
    return sum + end - (next < 0n ? BigInt(low) : next)
  }, 0n)
}

/** Resolves with 0 when the group has committed everything, or with what is left when the time is over. */
export async function untilNoLag(world: World, withinMs: number): Promise<bigint> {
  const deadline = performance.now() + withinMs
  for (let calm = 0; ;) {
    const lag = await patiently(() => lagOf(world), withinMs)
    calm = lag === 0n ? calm + 1 : 0
    if (calm === CALM_LOOKS || performance.now() > deadline) return lag
    await world.pause(LOOK_EVERY_MS)
  }
}

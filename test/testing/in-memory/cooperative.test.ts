import { expect, test } from 'vitest'
import { cooperative } from '../../../src/testing/in-memory/assigning.ts'
import { member, other, record, setup, target } from './world.ts'

const reads = (memberId: string, owned: readonly number[], topics = ['orders']) => ({
  memberId,
  topics,
  owned: owned.map((partition) => ({ topic: 'orders', partition })),
})
const shares = (...claimants: readonly ReturnType<typeof reads>[]): unknown =>
  Object.fromEntries(
    [...cooperative(claimants, () => 4)].map(([id, all]) => [id, all.map(({ partition }) => partition)]),
  )

test('a newcomer gets nothing that others have: they give it back first, and the next generation has it free', () => {
  expect(shares(reads('a', [0, 1, 2, 3]), reads('b', []))).toEqual({ a: [0, 1], b: [] })
  expect(shares(reads('a', [0, 1]), reads('b', []))).toEqual({ a: [0, 1], b: [2, 3] })
})

test('what nobody has goes to those with the least, and what is in balance stays where it is', () => {
  expect(shares(reads('a', [3]), reads('b', [0, 1]))).toEqual({ a: [3, 2], b: [0, 1] })
  expect(shares(reads('a', [2, 0]), reads('b', [3, 1]))).toEqual({ a: [0, 2], b: [1, 3] })
})

test('a member that does not read a topic any more loses it, and gets none of it', () => {
  expect(shares(reads('a', [0, 1, 2, 3], []), reads('b', []))).toEqual({ a: [], b: [] })
  expect(shares(reads('a', [], []), reads('b', []))).toEqual({ a: [], b: [0, 1, 2, 3] })
})

test('a commit that a cooperative rebalance overtakes on its way is not lost for good: the partition is still its own', async () => {
  const world = setup({ latencyMs: 10, rebalance: 'cooperative' })
  const first = await world.runtime.run(member(world))
  await world.runtime.advance(100)
  world.cluster.append([record('a')])
  const joining = member(world, {}, other(world))
  let code: unknown
  const commit = () => first.consumer.commit([{ ...target, offset: 1n, epoch: first.epoch }])
  // One commit a millisecond: one of them travels while the generation ends.
  const beats = world.runtime.clock.every(1, () => void commit().catch((error: unknown) => (code = error)))
  await world.runtime.run(joining)
  await world.runtime.advance(100)
  beats.cancel()
  expect(code).toMatchObject({ code: 'HOLDFAST_UNAVAILABLE', retriable: true })
  await world.runtime.run(commit())
})

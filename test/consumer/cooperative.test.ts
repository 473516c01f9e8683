import { expect, test } from 'vitest'
import { gate, ids, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }
const cooperative = (partitions: number) => world({ partitions, rebalance: 'cooperative' })

test('a handler of a partition that stays goes on through a cooperative rebalance: its signal is quiet, its record is handled once', async () => {
  const { consumer, append, runtime, start, committed, cluster } = cooperative(2)
  for (const partition of [0, 1]) append(ids(1, partition), { partition })
  const open = gate()
  const begun: string[] = []
  let aborted = false
  const one = consumer(session).on(orders, async ({ value }, { signal, partition }) => {
    begun.push(value.id)
    signal.addEventListener('abort', () => (aborted ||= partition === 0))
    if (partition === 0) await open.opened
  })
  await start(one)
  await runtime.runUntil(() => begun.length === 2 && committed(1) === 1n)
  const two = consumer({ ...session, process: 'two' }).on(orders, ({ value }) => void begun.push(value.id))
  await start(two)
  await runtime.runUntil(() => cluster.members('inventory').every(({ partitions }) => partitions.length === 1))
  expect(one.health()).toMatchObject({ status: 'healthy' })
  append(ids(1, 7), { partition: 1 })
  await runtime.runUntil(() => begun.length === 3)
  open.open()
  await runtime.runUntil(() => committed(0) === 1n && committed(1) === 2n)
  expect([begun.toSorted(), aborted]).toEqual([['o-0', 'o-1', 'o-7'], false])
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test('what goes is drained and committed before the next owner has it, so that nothing is handled twice', async () => {
  const { consumer, append, runtime, start, committed } = cooperative(4)
  const seen: string[] = []
  for (const partition of [0, 1, 2, 3]) append(ids(20, 20 * partition), { partition, key: null })
  const handler = async ({ value }: { value: { id: string } }): Promise<void> => {
    await runtime.clock.sleep(50)
    seen.push(value.id)
  }
  const all = ['one', 'two', 'three'].map((process) => consumer({ ...session, process }).on(orders, handler))
  for (const each of all) {
    await start(each)
    await runtime.advance(200)
  }
  await runtime.runUntil(() => [0, 1, 2, 3].every((partition) => committed(partition) === 20n))
  expect(seen).toHaveLength(80)
  expect(new Set(seen).size).toBe(80)
  await runtime.run(Promise.all(all.map((each) => each.close())))
})

test('partitions of several epochs that are lost together are all handled again by the next owner', async () => {
  const { consumer, append, runtime, start, committed, cluster } = cooperative(2)
  const one = consumer(session).on(orders, () => {})
  await start(one)
  const two = consumer({ ...session, process: 'two' }).on(orders, () => {})
  await start(two)
  await runtime.run(two.close()) // what it had comes back, in a later epoch than what stayed
  await runtime.runUntil(() => one.health().partitions.length === 2)
  const lost: number[] = []
  one.listen('lost', ({ partitions }) => lost.push(...partitions.map(({ partition }) => partition)))
  cluster.expireSession('inventory')
  await runtime.runUntil(() => lost.length === 2)
  for (const partition of [0, 1]) append(ids(1, partition), { partition })
  await runtime.runUntil(() => committed(0) === 1n && committed(1) === 1n)
  expect(lost.toSorted()).toEqual([0, 1])
  await runtime.run(one.close())
})

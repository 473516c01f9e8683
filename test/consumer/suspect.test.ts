import { expect, test } from 'vitest'
import { gate, ids, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }

test('a message that waited for its slot is not begun while the group does not confirm the membership: others may have it', async () => {
  const { consumer, append, runtime, start, cluster, committed } = world({ partitions: 2 })
  for (const partition of [0, 1]) append(ids(1), { partition })
  const hang = gate()
  const begun: number[] = []
  const one = consumer({ ...session, concurrency: 1 }).on(orders, async (_, { partition }) => {
    begun.push(partition)
    if (begun.length === 1) await hang.opened
  })
  await start(one)
  await runtime.runUntil(() => begun.length === 1)
  cluster.unreachable(true, 'one')
  await runtime.advance(20_000)
  hang.open()
  await runtime.advance(20_000)
  expect(begun).toHaveLength(1)
  cluster.unreachable(false, 'one')
  await runtime.runUntil(() => committed(0) === 1n && committed(1) === 1n)
  await runtime.run(one.close())
})

test('a park that is tried again is not made while the group does not confirm the membership', async () => {
  const { consumer, append, runtime, start, cluster, driver, deadLetters } = world()
  append(ids(1))
  const base = driver()
  let tries = 0
  const fragile: typeof base = {
    ...base,
    createProducer(options) {
      const made = base.createProducer(options)
      return {
        ...made,
        send: (...args) => {
          tries++
          return made.send(...args)
        },
      }
    },
  }
  for (let i = 0; i < 3; i++) cluster.failNextSend('orders.dlq', 'unavailable')
  const one = consumer({ ...session, driver: fragile }).on(orders, () => {
    throw new Error('no')
  }, { retry: { maxAttempts: 1 } })
  await start(one)
  await runtime.runUntil(() => tries > 0)
  expect(deadLetters()).toEqual([])
})

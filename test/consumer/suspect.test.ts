import { expect, test } from 'vitest'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
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
  const { append, runtime, start, cluster, driver, deadLetters, consumer, committed } = world()
  append(ids(1))
  const base = driver()
  let confirmed = true
  const adrift: typeof base = {
    ...base,
    createConsumer(options) {
      const made = base.createConsumer(options)
      return { ...made, lastHeartbeatAt: () => (confirmed ? made.lastHeartbeatAt() : -session.sessionTimeoutMs) }
    },
  }
  cluster.failNextProduce('orders.dlq', 'unavailable')
  const one = consumer({ ...session, driver: adrift }).on(
    orders,
    () => {
      throw new Error('no')
    },
    { retry: { maxAttempts: 1 } },
  )
  one.listen('paused', () => void (confirmed = false)) // the first try has failed, and during the wait the group falls silent
  await start(one)
  await runtime.advance(60_000)
  expect([confirmed, deadLetters()]).toEqual([false, []])
  confirmed = true
  await runtime.runUntil(() => committed() === 1n)
  expect(deadLetters()).toHaveLength(1)
  await runtime.run(one.close())
})

test('a close while the group does not confirm the membership parks nothing any more: the next owner decides', async () => {
  const { append, runtime, start, driver, deadLetters, consumer } = world()
  append(ids(1))
  const base = driver()
  let confirmed = true
  const adrift: typeof base = {
    ...base,
    createConsumer(options) {
      const made = base.createConsumer(options)
      return { ...made, lastHeartbeatAt: () => (confirmed ? made.lastHeartbeatAt() : -session.sessionTimeoutMs) }
    },
  }
  const one = consumer({ ...session, driver: adrift }).on(
    orders,
    () => {
      confirmed = false
      throw new Error('no')
    },
    { retry: { maxAttempts: 1 } },
  )
  await start(one)
  await runtime.runUntil(() => !confirmed)
  await runtime.advance(20_000)
  await runtime.run(one.close())
  expect(deadLetters()).toEqual([])
})

test('what ends while the group does not confirm the membership, and then is lost, is not marked: the next owner may be at it', async () => {
  const { append, runtime, start, cluster, consumer, committed } = world()
  append(ids(1))
  const store = memoryDedupeStore({ runtime })
  const steps: string[] = []
  const hang = gate()
  let calls = 0
  const one = consumer(session).on(
    orders,
    async () => {
      steps.push('called')
      if (++calls === 1) await hang.opened
    },
    {
      dedupe: {
        store: {
          ...store,
          complete(token, outcome) {
            steps.push('marked')
            return store.complete(token, outcome)
          },
        },
      },
    },
  )
  one.listen('lost', () => steps.push('lost'))
  one.listen('stale-refused', ({ operation }) => steps.push(`${operation} refused`))
  await start(one)
  await runtime.runUntil(() => calls === 1)
  cluster.unreachable(true, 'one')
  await runtime.advance(20_000) // its session has ended, and it cannot know
  hang.open()
  await runtime.advance(1_000)
  cluster.unreachable(false, 'one')
  await runtime.runUntil(() => committed() === 1n)
  expect(steps).toEqual(['called', 'lost', 'complete refused', 'called', 'marked'])
  await runtime.run(one.close())
})

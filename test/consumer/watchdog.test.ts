import { expect, test } from 'vitest'
import { createWatchdog } from '../../src/consumer/watchdog.ts'
import { virtualClock } from '../../src/testing/index.ts'
import { ids, orders, world } from './world.ts'

test.each([
  [30_000, 900, []],
  [30_000, 1_500, [1_500]],
  [1_000, 400, []],
  [1_000, 750, [750]],
])('with a session of %i ms, a loop that stood still for %i ms is told so: %j', async (sessionTimeoutMs, ms, told) => {
  const clock = virtualClock()
  const blocked: number[] = []
  const watchdog = createWatchdog(clock, { sessionTimeoutMs }, (forMs) => void blocked.push(forMs))
  await clock.advance(60_000)
  expect([blocked, watchdog.last]).toEqual([[], null])
  clock.block(ms + 1) // one from the look that is due
  await clock.advance(10_000)
  expect(blocked.map((each) => Math.abs(each - ms) < sessionTimeoutMs / 2 && each > 0)).toEqual(told.map(() => true))
  watchdog.close()
  clock.block(60_000)
  await clock.advance(60_000)
  expect(blocked).toHaveLength(told.length)
})

test('a time server that moves the wall clock blocks nothing', async () => {
  const clock = virtualClock()
  const blocked: number[] = []
  createWatchdog(clock, { sessionTimeoutMs: 30_000 }, (forMs) => void blocked.push(forMs))
  clock.jumpWallClock(3_600_000)
  await clock.advance(10_000)
  expect(blocked).toEqual([])
})

test('a consumer whose loop stood still says for how long; health is red for a session when half of one was missed', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  const one = consumer({ sessionTimeoutMs: 30_000 }).on(orders, () => {})
  const told: number[] = []
  one.listen('blocked', ({ forMs }) => void told.push(forMs))
  await start(one)
  runtime.clock.block(5_000)
  await runtime.advance(600)
  expect([told.length, one.health().status]).toEqual([1, 'healthy'])
  runtime.clock.block(20_000)
  await runtime.advance(600)
  expect(told[1]).toBeGreaterThan(19_000)
  expect(told[1]).toBeLessThanOrEqual(20_000)
  expect(one.health()).toMatchObject({
    status: 'unhealthy',
    reasons: [expect.stringMatching(/stood still for (19|20) s/)],
  })
  expect(logged.filter(({ level, message }) => level === 'warn' && message.includes('stood still'))).toHaveLength(2)
  await runtime.advance(30_000)
  expect(one.health().status).toBe('healthy')
  append(ids(1))
  await runtime.runUntil(() => committed() === 1n)
  await runtime.run(one.close())
})

test('a consumer that could not start, or is closed, leaves no timer behind', async () => {
  const { consumer, runtime, cluster } = world()
  const before = runtime.clock.pending
  cluster.unreachable(true)
  const one = consumer().on(orders, () => {})
  await expect(runtime.run(one.start())).rejects.toMatchObject({ code: 'HOLDFAST_UNAVAILABLE' })
  expect(runtime.clock.pending).toBe(before)
  cluster.unreachable(false)
  await runtime.run(one.start())
  await runtime.run(one.close())
  expect(runtime.clock.pending).toBe(before)
})

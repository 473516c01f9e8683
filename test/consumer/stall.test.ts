import { expect, test } from 'vitest'
import { z } from 'zod'
import type { DedupeStore } from '../../src/idempotency/index.ts'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import type { VirtualRuntime } from '../../src/testing/index.ts'
import { defineTopic } from '../../src/topic/index.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const retry = { maxAttempts: 2, initialDelayMs: 100, jitter: 0 }

/** A store of which the next calls of one name never settle, or settle when `late` opens. */
function deaf(runtime: VirtualRuntime, name: keyof DedupeStore, calls: number) {
  const store = memoryDedupeStore({ runtime })
  const late = gate()
  const asked: string[] = []
  const call = async <T>(each: keyof DedupeStore, ask: () => Promise<T> | T): Promise<T> => {
    asked.push(each)
    return each === name && calls-- > 0 ? late.opened.then(ask) : ask()
  }
  const deafStore: DedupeStore = {
    begin: (...args) => call('begin', () => store.begin(...args)),
    complete: (...args) => call('complete', () => store.complete(...args)),
    abandon: (...args) => call('abandon', () => store.abandon(...args)),
    renew: (...args) => call('renew', () => store.renew(...args)),
  }
  return { deafStore, late, asked }
}

test('health names the place of a record whose handler does not end, and nothing of what is in it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append([{ id: 'a-secret' }])
  const hang = gate()
  const one = consumer().on(orders, () => hang.opened)
  await start(one)
  await runtime.advance(290_000)
  expect(one.health().status).toBe('healthy')
  await runtime.advance(30_000)
  expect(one.health().reasons).toEqual([
    'orders[0]: the handler of orders[0]@0 has timed out and has not ended; its key waits for that',
  ])
  hang.open()
  await runtime.runUntil(() => committed() === 1n)
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('health counts from the last call: a record that waits between its attempts is not stuck, one whose second call hangs is', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(1))
  let calls = 0
  const one = consumer({ drainTimeoutMs: 1_000 }).on(
    orders,
    async () => {
      if (++calls === 1) throw new Error('no')
      await new Promise<void>(() => {})
    },
    { retry: { ...retry, initialDelayMs: 400_000, maxDelayMs: 400_000 } },
  )
  await start(one)
  await runtime.advance(399_000)
  expect([calls, one.health().status]).toEqual([1, 'healthy'])
  await runtime.advance(200_000)
  expect([calls, one.health().status]).toEqual([2, 'healthy'])
  await runtime.advance(200_000)
  expect(one.health().reasons[0]).toMatch(/the handler of orders\[0\]@0 has timed out/)
  await runtime.run(one.close())
})

test('health names the place of a record whose validator does not end', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(1))
  const slow = defineTopic({
    name: 'orders',
    schema: {
      '~standard': { version: 1 as const, vendor: 'test', validate: () => new Promise<never>(() => {}) },
    },
    key: () => 'k',
  })
  const one = consumer({ drainTimeoutMs: 1_000 }).on(slow, () => {})
  await start(one)
  await runtime.advance(330_000)
  expect(one.health().reasons[0]).toMatch(/^orders\[0\]@0 has been under way/)
  await runtime.run(one.close())
})

test('a store that never answers counts as one that is out: the partition is paused, health says so, and it goes on by itself', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  const { deafStore } = deaf(runtime, 'begin', 2)
  let handled = 0
  const one = consumer().on(orders, () => void handled++, {
    handlerTimeoutMs: 4_000,
    dedupe: { store: deafStore, leaseMs: 5_000 },
  })
  await start(one)
  await runtime.advance(5_100)
  expect(one.health().reasons).toEqual(['orders[0]: the dedupe store does not answer (HOLDFAST_STORE_UNAVAILABLE)'])
  await runtime.runUntil(() => committed() === 2n)
  expect([handled, one.health().status]).toEqual([2, 'healthy'])
  await runtime.run(one.close())
})

test('a beginning that the store answers too late is given back, or slow answers alone would use a message’s attempts up', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(1))
  const { deafStore, late, asked } = deaf(runtime, 'begin', 3)
  const attempts: number[] = []
  const one = consumer().on(orders, (_, { attempt }) => void attempts.push(attempt), {
    retry,
    handlerTimeoutMs: 4_000,
    dedupe: { store: deafStore, leaseMs: 5_000 },
  })
  await start(one)
  await runtime.advance(12_000) // two are given up, the third is under way
  expect(asked).toEqual(['begin', 'begin', 'begin'])
  late.open()
  await runtime.runUntil(() => committed() === 1n)
  expect([attempts, deadLetters()]).toEqual([[1], []])
  await runtime.run(one.close())
})

test('a mark that the store does not answer is made again, without a second call of the handler', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const { deafStore, asked } = deaf(runtime, 'complete', 1)
  let handled = 0
  const one = consumer().on(orders, () => void handled++, {
    handlerTimeoutMs: 4_000,
    dedupe: { store: deafStore, leaseMs: 5_000 },
  })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect([handled, asked.filter((name) => name === 'complete').length]).toEqual([1, 2])
  await runtime.run(one.close())
})

test('a renewal that never ends is not the last one: the lease of a message whose attempts take long together is kept', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const { deafStore, asked } = deaf(runtime, 'renew', 1)
  const attempts: number[] = []
  const one = consumer().on(
    orders,
    async (_, { attempt }) => {
      attempts.push(attempt)
      await runtime.clock.sleep(4_000)
      if (attempt < 8) throw new Error('not yet')
    },
    {
      retry: { maxAttempts: 8, initialDelayMs: 0 },
      handlerTimeoutMs: 5_000,
      dedupe: { store: deafStore, leaseMs: 6_000 },
    },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(attempts).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(asked.filter((name) => name === 'renew').length).toBeGreaterThan(5)
  await runtime.run(one.close())
})

test('an asynchronous validator that is out pauses the partition and parks nothing; it goes on by itself, and what it then says counts', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  let isOut = true
  let asked = 0
  const registered = defineTopic({
    name: 'orders',
    schema: z.object({ id: z.string() }).refine(async ({ id }) => {
      asked++
      await Promise.resolve()
      if (isOut) throw new Error('a-secret')
      return id !== 'o-2'
    }),
    key: ({ id }) => id,
  })
  for (const id of ids(50)) append([id], { key: id.id })
  let handled = 0
  const one = consumer({ concurrency: 5 }).on(registered, () => void handled++)
  const told: string[] = []
  for (const name of ['paused', 'resumed'] as const) one.listen(name, () => void told.push(name))
  await start(one)
  await runtime.advance(1_000)
  const [reason] = one.health().reasons
  expect(reason).toMatch(
    /^orders\[0\]: the schema of orders says nothing of its records \(the validator threw Error at /,
  )
  expect(reason).not.toContain('secret')
  await runtime.advance(59_000)
  expect([handled, deadLetters().length, committed()]).toEqual([0, 0, 0n])
  expect(asked).toBeLessThan(100) // growing waits, for those few that had begun
  isOut = false
  await runtime.runUntil(() => committed() === 50n)
  expect([handled, deadLetters().map(({ headers }) => headers['holdfast-dlq-reason'])]).toEqual([
    49,
    ['schema-invalid'],
  ])
  expect(told).toEqual(['paused', 'resumed'])
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('a validator that throws at once is no outage: its record is parked, and the others go on', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(3))
  const throwing = defineTopic({
    name: 'orders',
    schema: z.object({ id: z.string() }).transform(({ id }) => {
      if (id === 'o-2') throw new TypeError('no such thing')
      return id
    }),
    key: 'none',
  })
  const handled: string[] = []
  const one = consumer().on(throwing, ({ value }) => void handled.push(value))
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect([handled, deadLetters().length]).toEqual([['o-1', 'o-3'], 1])
  await runtime.run(one.close())
})

test('a partition that is paused when it goes is not told as going on: nothing of it does', async () => {
  const { consumer, append, runtime, start, cluster, logged } = world()
  append(ids(1))
  const one = consumer({ sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 }).on(
    orders,
    () => {
      throw new RangeError('out')
    },
    { errors: [{ when: RangeError, verdict: 'pause' }] },
  )
  const told: string[] = []
  for (const name of ['paused', 'resumed', 'lost'] as const) one.listen(name, () => void told.push(name))
  await start(one)
  await runtime.runUntil(() => told.includes('paused'))
  cluster.expireSession(GROUP)
  await runtime.runUntil(() => told.filter((each) => each === 'paused').length === 2)
  expect(told).toEqual(['paused', 'lost', 'paused'])
  expect(logged.filter(({ message }) => message === 'a partition goes on')).toEqual([])
  await runtime.run(one.close())
})

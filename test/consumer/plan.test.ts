import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Consumer, PlanBound, ReliabilityPlan, SubscriptionOptions } from '../../src/consumer/index.ts'
import type { DedupeStore } from '../../src/idempotency/index.ts'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import { defineTopic } from '../../src/topic/index.ts'
import { failureOf } from '../helpers/failure-of.ts'
import { memoryInbox } from '../helpers/memory-inbox.ts'
import { gate, ids, orders, world } from './world.ts'

const payments = defineTopic({ name: 'payments', schema: orders.schema, key: 'none' })
const boundOf = (plan: ReliabilityPlan, name: string): PlanBound =>
  [...plan.bounds, ...plan.topics.flatMap(({ bounds }) => bounds)].find((each) => each.name === name)!
const planOf = (options: SubscriptionOptions): ReliabilityPlan => {
  const { consumer } = world()
  return consumer()
    .on(orders, () => {}, options)
    .plan()
}
/** A store that remembers for so long, or does not tell. */
const storeOf = (ttlMs?: number): DedupeStore => {
  const { ttlMs: _, ...store } = memoryDedupeStore({ maxEntries: 1 })
  return { ...store, ...(ttlMs !== undefined && { ttlMs }) }
}

test('a plan tells what becomes of the messages of each topic, and shows the arithmetic of every bound', () => {
  const { consumer } = world()
  const one = consumer({ concurrency: 8, maxLagMs: 7_200_000, replayWindowMs: 60_000, onRevoked: () => {} })
    .on(orders, () => {}, { concurrency: 4, dedupe: { store: memoryDedupeStore() } })
    .onBatch(payments, () => {}, { inbox: { ...memoryInbox(), ttlMs: 604_800_000, maxConnections: 10 } })
    .on(defineTopic({ name: 'clicks', schema: orders.schema, key: 'none' }), () => {}, {
      deadLetter: false,
      onExhausted: 'skip',
      handlerTimeoutMs: 1_000,
      retry: { maxAttempts: 1 },
    })
  const plan = one.plan()
  expect(plan).toEqual({
    groupId: 'inventory',
    concurrency: 8,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    drainTimeoutMs: 10_000,
    maxLagMs: 7_200_000,
    replayWindowMs: 60_000,
    bounds: [
      {
        name: 'heartbeats within the session',
        path: 'heartbeatIntervalMs',
        holds: true,
        arithmetic: 'heartbeatIntervalMs 3,000 < sessionTimeoutMs 30,000',
        why: expect.any(String),
      },
      {
        name: 'drain and commit within the rebalance',
        path: 'rebalanceTimeoutMs',
        holds: true,
        arithmetic:
          'drainTimeoutMs 10,000 + heartbeatIntervalMs 3,000 + fetch 500 + commit 5,000 = 18,500 <= rebalanceTimeoutMs 60,000',
        why: expect.any(String),
      },
      {
        name: 'time for onRevoked',
        path: 'rebalanceTimeoutMs',
        holds: true,
        arithmetic: 'rebalanceTimeoutMs 60,000 - 18,500 = 41,500 > 0',
        why: expect.any(String),
      },
      {
        name: 'handlers fit the pool',
        path: 'payments.inbox',
        holds: true,
        arithmetic: 'handlers at a time 8 <= connections 10 - 2 = 8',
        why: expect.any(String),
      },
    ],
    topics: [
      {
        topic: 'orders',
        handles: 'messages',
        delivery: 'at-least-once',
        maxBatchSize: 1,
        ordering: 'key',
        concurrency: 4,
        handlerTimeoutMs: 300_000,
        retry: { maxAttempts: 4, longestWaitsMs: 1_680, longestMs: 1_201_680 },
        exhausted: { kind: 'parked', deadLetterTopic: 'orders.dlq' },
        duplicates: { kind: 'store', scope: 'orders', leaseMs: 330_000, remembersMs: 86_400_000 },
        bounds: [
          {
            name: 'lease outlives the handler',
            path: 'orders.dedupe.leaseMs',
            holds: true,
            arithmetic: 'leaseMs 330,000 > handlerTimeoutMs 300,000',
            why: expect.any(String),
          },
          {
            name: 'memory outlives duplicates',
            path: 'orders.dedupe.store',
            holds: true,
            arithmetic:
              'ttlMs 86,400,000 >= longest retry 1,201,680 + maxLagMs 7,200,000 + replayWindowMs 60,000 = 8,461,680',
            why: expect.any(String),
          },
        ],
      },
      {
        topic: 'payments',
        handles: 'batches',
        delivery: 'at-least-once',
        maxBatchSize: 100,
        ordering: 'batches of a partition',
        concurrency: 8,
        handlerTimeoutMs: 300_000,
        retry: { maxAttempts: 4, longestWaitsMs: 1_680, longestMs: 1_501_680 },
        exhausted: { kind: 'parked', deadLetterTopic: 'payments.dlq' },
        duplicates: { kind: 'inbox', remembersMs: 604_800_000 },
        bounds: [
          {
            name: 'memory outlives duplicates',
            path: 'payments.inbox',
            holds: true,
            arithmetic:
              'ttlMs 604,800,000 >= longest retry 1,501,680 + maxLagMs 7,200,000 + replayWindowMs 60,000 = 8,761,680',
            why: expect.any(String),
          },
        ],
      },
      {
        topic: 'clicks',
        handles: 'messages',
        delivery: 'at-least-once',
        maxBatchSize: 1,
        ordering: 'none',
        concurrency: 8,
        handlerTimeoutMs: 1_000,
        retry: { maxAttempts: 1, longestWaitsMs: 0, longestMs: 1_000 },
        exhausted: { kind: 'skipped' },
        duplicates: { kind: 'none' },
        bounds: [],
      },
    ],
  })
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
})

test('a plan is the same before the start, after it and after the close, and asks nobody', async () => {
  const { consumer, runtime, start, cluster } = world()
  const one = consumer().on(orders, () => {}, { dedupe: { store: memoryDedupeStore({ runtime }) } })
  cluster.unreachable(true)
  const before = one.plan()
  cluster.unreachable(false)
  await start(one)
  expect(one.plan()).toEqual(before)
  await runtime.run(one.close())
  expect(one.plan()).toEqual(before)
})

test('a start refuses every broken bound in one error, with its arithmetic, beside all else that does not fit, and before it connects', async () => {
  const { consumer, runtime, cluster } = world()
  cluster.unreachable(true)
  const inbox = { ...memoryInbox(), ttlMs: 1_000, maxConnections: 6 }
  const one = consumer({ concurrency: 5, replayWindowMs: 86_400_000 })
    .on(orders, () => {}, { dedupe: { store: memoryDedupeStore(), leaseMs: 60_000 } })
    .on(payments, () => {}, { inbox, handlerTimeoutMs: 1_000, retry: { maxAttempts: 1 } })
    .on(defineTopic({ name: 'clicks', schema: orders.schema, key: 'none' }), () => {}, { deadLetter: false })
  const failure = await failureOf(runtime.run(one.start()))
  expect(failure).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  expect(failure.message.split('\n').slice(1)).toEqual([
    expect.stringContaining('clicks.onExhausted: '),
    expect.stringContaining('payments.inbox: handlers at a time 5 <= connections 6 - 2 = 4 does not hold. '),
    expect.stringContaining('orders.dedupe.leaseMs: leaseMs 60,000 > handlerTimeoutMs 300,000 does not hold. '),
    expect.stringContaining(
      'orders.dedupe.store: ttlMs 86,400,000 >= longest retry 1,201,680 + maxLagMs 3,600,000 + replayWindowMs 86,400,000 = 91,201,680 does not hold. ',
    ),
    expect.stringContaining(
      'payments.inbox: ttlMs 1,000 >= longest retry 1,000 + maxLagMs 3,600,000 + replayWindowMs 86,400,000 = 90,001,000 does not hold. ',
    ),
  ])
})

test('a broken bound is no error of the plan, which is how it is looked at', () => {
  const plan = planOf({ dedupe: { store: storeOf(1), leaseMs: 60_000 } })
  expect(plan.topics[0]!.bounds.map(({ holds }) => holds)).toEqual([false, false])
})

test('options that do not fit leave nothing to plan with, and none of their values is told', async () => {
  const { consumer, runtime } = world()
  const secret = 'a-secret'
  const options = { handlerTimeoutMs: secret, dedupe: { store: { ttlMs: secret }, leaseMs: secret } }
  const one = consumer().on(orders, () => {}, options as unknown as SubscriptionOptions)
  const paths = ['orders.handlerTimeoutMs', 'orders.dedupe.store', 'orders.dedupe.leaseMs']
  const planned = await failureOf((async () => one.plan())())
  const started = await failureOf(runtime.run(one.start()))
  for (const failure of [planned, started]) {
    expect(failure).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID', problems: paths.map((path) => ({ path })) })
    expect(failure.message).not.toContain(secret)
  }
})

test.each([10n, '10', true, null, {}])(
  'a value that no arithmetic takes (%s) is told like any other',
  async (value) => {
    const { consumer, runtime } = world()
    const options = {
      handlerTimeoutMs: value,
      concurrency: value,
      inbox: memoryInbox(),
    } as unknown as SubscriptionOptions
    const failure = await failureOf(
      runtime.run(
        consumer()
          .on(orders, () => {}, options)
          .start(),
      ),
    )
    expect(failure.problems.map(({ path }) => path)).toEqual(['orders.concurrency', 'orders.handlerTimeoutMs'])
  },
)

test('what a store or an inbox of somebody’s own does not tell is unknown, and does not keep a consumer from starting', async () => {
  const { consumer, runtime, start, cluster } = world()
  cluster.createTopic({ topic: 'payments', partitions: 1 })
  const store = { ...storeOf(), ttlMs: 'a week' } as unknown as DedupeStore
  const one = consumer()
    .on(orders, () => {}, { dedupe: { store } })
    .on(payments, () => {}, { inbox: memoryInbox(), deadLetter: false, onExhausted: 'pause' })
  const plan = one.plan()
  expect(plan.topics.map(({ duplicates }) => duplicates)).toMatchObject([
    { kind: 'store', remembersMs: 'unknown' },
    { kind: 'inbox', remembersMs: 'unknown' },
  ])
  expect(boundOf(plan, 'memory outlives duplicates')).toMatchObject({
    holds: 'unknown',
    arithmetic: expect.stringContaining('ttlMs unknown >= longest retry 1,201,680'),
  })
  expect(boundOf(plan, 'handlers fit the pool')).toMatchObject({
    holds: 'unknown',
    arithmetic: 'handlers at a time 64 <= connections unknown - 2 = unknown',
  })
  await start(one)
  await runtime.run(one.close())
})

test('a store that never forgets says Infinity', () => {
  const plan = planOf({ dedupe: { store: storeOf(Infinity) } })
  expect(plan.topics[0]!.duplicates).toMatchObject({ remembersMs: 'for ever' })
  expect(boundOf(plan, 'memory outlives duplicates').holds).toBe(true)
})

test('an inbox that topics share holds a connection for each of their handlers, and no more than the consumer has', () => {
  const { consumer } = world()
  const inbox = { ...memoryInbox(), maxConnections: 12 }
  const two = (concurrency: number): Consumer =>
    consumer({ concurrency })
      .on(orders, () => {}, { inbox, concurrency: 6 })
      .on(payments, () => {}, { inbox, concurrency: 6 })
  expect(boundOf(two(64).plan(), 'handlers fit the pool')).toMatchObject({
    holds: false,
    arithmetic: 'handlers at a time 12 <= connections 12 - 2 = 10',
  })
  expect(boundOf(two(10).plan(), 'handlers fit the pool').holds).toBe(true)
})

test('law: the default lease outlives every handler, but for one of the greatest time that a timer takes', () => {
  const most = 2 ** 31 - 1
  const leaseOf = (handlerTimeoutMs: number): PlanBound =>
    boundOf(planOf({ handlerTimeoutMs, dedupe: { store: storeOf(1) } }), 'lease outlives the handler')
  fc.assert(
    fc.property(fc.integer({ min: 1, max: most - 1 }), (handlerTimeoutMs) => {
      expect(leaseOf(handlerTimeoutMs).holds).toBe(true)
    }),
    { examples: [[1], [most - 1], [most - 30_000]] },
  )
  expect(leaseOf(most)).toMatchObject({ holds: false, arithmetic: expect.stringContaining('leaseMs 2,147,483,647 > ') })
})

test('law: memory holds exactly from the longest retry, the greatest lag and the replay window on', () => {
  const numbers = fc.nat({ max: 10_000_000 })
  const { consumer } = world()
  fc.assert(
    fc.property(
      numbers,
      numbers,
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 1, max: 20 }),
      (lag, window, timeout, attempts) => {
        const holdsWith = (ttlMs: number): unknown =>
          boundOf(
            consumer({ maxLagMs: lag, replayWindowMs: window })
              .on(orders, () => {}, {
                handlerTimeoutMs: timeout,
                retry: { maxAttempts: attempts, initialDelayMs: 0 },
                dedupe: { store: storeOf(ttlMs) },
              })
              .plan(),
            'memory outlives duplicates',
          ).holds
        const needed = attempts * timeout + lag + window
        expect([holdsWith(needed - 1), holdsWith(needed)]).toEqual([false, true])
      },
    ),
  )
})

test.each(['messages', 'batches'] as const)(
  'no message of a topic with %s is in work for longer than its longest retry, where each call takes all its time and chance the most',
  async (handles) => {
    const { consumer, append, runtime, start, cluster } = world()
    append(ids(handles === 'messages' ? 1 : 3))
    const all = consumer({ runtime: { ...runtime, random: () => 1 - 2 ** -53 } })
    const options = { handlerTimeoutMs: 10_000, retry: { maxAttempts: 3, initialDelayMs: 700, factor: 3 } }
    const firstAt = new Map<string, number>()
    const slow = async (some: readonly string[]): Promise<void> => {
      for (const id of some) if (!firstAt.has(id)) firstAt.set(id, runtime.clock.monotonic())
      await runtime.clock.sleep(9_999)
      throw new Error('not yet')
    }
    const one =
      handles === 'messages'
        ? all.on(orders, ({ value }) => slow([value.id]), options)
        : all.onBatch(orders, (messages) => slow(messages.map(({ value }) => value.id)), options)
    const { longestMs } = one.plan().topics[0]!.retry
    await start(one)
    await runtime.runUntil(() => cluster.records('orders.dlq').length > 0)
    const tookMs = runtime.clock.monotonic() - firstAt.get('o-1')!
    expect(tookMs).toBeLessThanOrEqual(longestMs)
    expect(tookMs).toBeGreaterThan(longestMs - 100)
    await runtime.run(one.close())
  },
)

test('a store that does not answer is noticed within a minute, however long a lease is', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(1))
  const never = gate()
  const store: DedupeStore = { ...storeOf(), begin: () => never.opened as Promise<never> }
  const one = consumer().on(orders, () => {}, { dedupe: { store } })
  await start(one)
  await runtime.advance(60_100)
  expect(one.health().reasons).toEqual(['orders[0]: the dedupe store does not answer (HOLDFAST_STORE_UNAVAILABLE)'])
  await runtime.run(one.close())
})

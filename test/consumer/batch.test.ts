import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createBatchGathering } from '../../src/consumer/batch-gathering.ts'
import { Delivery } from '../../src/consumer/delivery.ts'
import { createDispatcher } from '../../src/consumer/dispatcher.ts'
import { createEpoch } from '../../src/consumer/epoch.ts'
import type { BatchContext, BatchMessage, Consumer } from '../../src/consumer/index.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import type { DedupeStore } from '../../src/idempotency/index.ts'
import { dedupeId, memoryDedupeStore } from '../../src/idempotency/index.ts'
import { silentLogger } from '../../src/logger/index.ts'
import { virtualRuntime } from '../../src/testing/index.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const once = { maxAttempts: 1 }
const twice = { maxAttempts: 2, initialDelayMs: 1_000, maxDelayMs: 1_000 }
const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }
type Orders = readonly BatchMessage<{ id: string; n: number }>[]
const idsOf = (messages: Orders): string[] => messages.map(({ value }) => value.id)
const names = (count: number, from = 1): string[] => ids(count, from).map(({ id }) => id)
const storedId = (messageId: string): string => dedupeId({ groupId: GROUP, handler: 'orders', messageId })
const collect = <Name extends 'parked' | 'handled' | 'timed-out' | 'retrying' | 'skipped' | 'duplicate'>(
  consumer: Consumer,
  name: Name,
): bigint[] => {
  const offsets: bigint[] = []
  consumer.listen(name, ({ position }: { position: { offset: bigint } }) => void offsets.push(position.offset))
  return offsets
}

test('messages come in batches no larger than asked for, in the order of their offsets, of one partition each', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  append(ids(7))
  append(ids(2, 100), { partition: 1 })
  const batches: string[][] = []
  const partitions: number[] = []
  const places: unknown[][] = []
  const one = consumer().onBatch(
    orders,
    (messages, { partition, topic }) => {
      places.push([topic, partition, ...new Set(messages.map(({ context }) => context.partition))])
      partitions.push(partition)
      batches.push(idsOf(messages))
    },
    { maxBatchSize: 3 },
  )
  await start(one)
  await runtime.runUntil(() => committed(0) === 7n && committed(1) === 2n)
  expect(batches.filter((_, i) => partitions[i] === 0)).toEqual([names(3), names(3, 4), names(1, 7)])
  expect(batches.filter((_, i) => partitions[i] === 1)).toEqual([names(2, 100)])
  expect(places).toEqual(partitions.map((partition) => ['orders', partition, partition]))
  await runtime.run(one.close())
})

test('a message of a batch has all that a single one has', async () => {
  const { consumer, append, runtime, start } = world()
  append([{ id: 'o-1' }], {
    headers: [
      ['holdfast-id', Buffer.from('id-1')],
      ['holdfast-source', Buffer.from('shop')],
    ],
  })
  let seen: Orders = []
  const one = consumer().onBatch(orders, (messages) => void (seen = messages), { handlerTimeoutMs: 7_000 })
  await start(one)
  await runtime.runUntil(() => seen.length === 1)
  const [{ context, ...message }] = seen as unknown as [BatchMessage<unknown>]
  expect(message).toEqual({ id: 'id-1', source: 'shop', time: new Date(1_700_000_000_000), value: { id: 'o-1', n: 0 } })
  expect(context).toMatchObject({ topic: 'orders', partition: 0, offset: 0n, attempt: 1, redelivered: false })
  expect(context.deadline.getTime() - runtime.clock.now()).toBe(7_000)
  expect(context.signal.aborted).toBe(false)
  await runtime.run(one.close())
})

test('a batch that is not full waits for more, no longer than asked for after its first message; a full one does not wait', async () => {
  const { consumer, append, runtime, start } = world()
  const batches: [string[], number][] = []
  const began = runtime.clock.monotonic()
  const one = consumer().onBatch(
    orders,
    (messages) => void batches.push([idsOf(messages), runtime.clock.monotonic() - began]),
    { maxBatchSize: 3, maxBatchWaitMs: 1_000 },
  )
  await start(one)
  append(ids(1))
  await runtime.advance(400)
  append(ids(1, 2))
  await runtime.advance(599)
  expect(batches).toEqual([])
  await runtime.advance(1)
  expect(batches).toEqual([[names(2), 1_000]])
  append(ids(3, 3))
  await runtime.advance(0)
  expect(batches[1]).toEqual([names(3, 3), 1_000])
  append(ids(1, 6)) // a timer that was left over from before must not cut its wait short
  await runtime.advance(999)
  expect(batches).toHaveLength(2)
  await runtime.advance(1)
  expect(batches[2]).toEqual([names(1, 6), 2_000])
  await runtime.run(one.close())
})

test('a batch does not wait for more than the buffers may hold: nothing further is fetched', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(8))
  const batches: number[] = []
  const one = consumer({ maxBufferedRecords: 4 }).onBatch(orders, (messages) => void batches.push(messages.length), {
    maxBatchSize: 100,
    maxBatchWaitMs: 60_000,
  })
  await start(one)
  await runtime.advance(10)
  expect(batches[0]).toBeGreaterThanOrEqual(4)
  await runtime.run(one.close())
})

test('a partition has one batch at a time; those of several partitions run side by side, each in one place', async () => {
  const { consumer, append, runtime, start } = world({ partitions: 3 })
  for (const partition of [0, 1, 2]) append(ids(6), { partition })
  const running = new Set<number>()
  let twice = false
  let most = 0
  let done = 0
  const one = consumer({ concurrency: 2 }).onBatch(
    orders,
    async (messages, { partition }) => {
      if (running.has(partition)) twice = true
      running.add(partition)
      most = Math.max(most, running.size)
      await runtime.clock.sleep(100)
      running.delete(partition)
      done += messages.length
    },
    { maxBatchSize: 2 },
  )
  await start(one)
  const began = runtime.clock.monotonic()
  await runtime.runUntil(() => done === 18)
  expect([most, twice]).toEqual([2, false])
  expect(runtime.clock.monotonic() - began).toBe(500) // nine batches, two at a time
  await runtime.run(one.close())
})

test('a bound of the subscription holds for batches, and partitions take turns', async () => {
  const { consumer, append, runtime, start } = world({ partitions: 2 })
  for (const partition of [0, 1]) append(ids(6), { partition })
  const order: number[] = []
  const one = consumer().onBatch(
    orders,
    async (_, { partition }) => {
      order.push(partition)
      await runtime.clock.sleep(100)
    },
    { maxBatchSize: 2, concurrency: 1 },
  )
  await start(one)
  await runtime.runUntil(() => order.length === 6)
  expect([order.slice(0, 2), order.slice(2, 4), order.slice(4)].map((each) => each.toSorted())).toEqual([
    [0, 1],
    [0, 1],
    [0, 1],
  ])
  await runtime.run(one.close())
})

test('the time a batch waits for its place does not count against the time of its handler', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  for (const partition of [0, 1]) append(ids(2), { partition })
  const one = consumer({ concurrency: 1 }).onBatch(orders, () => runtime.clock.sleep(800), { handlerTimeoutMs: 1_000 })
  const timedOut = collect(one, 'timed-out')
  await start(one)
  await runtime.runUntil(() => committed(0) === 2n && committed(1) === 2n)
  expect(timedOut).toEqual([])
  await runtime.run(one.close())
})

test('fail() retries that one by itself and parks it alone; the others are handled, and nothing is committed past it before', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(5))
  const batches: string[][] = []
  const attempts: number[] = []
  const one = consumer().onBatch(
    orders,
    (messages, { fail }) => {
      batches.push(idsOf(messages))
      for (const message of messages) {
        if (message.value.id !== 'o-3') continue
        attempts.push(message.context.attempt)
        fail(message, new Error('no stock'))
      }
    },
    { retry: twice },
  )
  const [parked, handled] = [collect(one, 'parked'), collect(one, 'handled')]
  await start(one)
  await runtime.runUntil(() => handled.length === 4)
  append(ids(1, 6))
  await runtime.advance(500)
  expect(committed()).toBe(2n)
  await runtime.runUntil(() => committed() === 6n)
  expect(batches).toEqual([names(5), ['o-3'], ['o-6']])
  expect([attempts, parked, handled]).toEqual([[1, 2], [2n], [0n, 1n, 3n, 4n, 5n]])
  expect(
    deadLetters().map(({ headers }) => [headers['holdfast-dlq-attempts'], headers['holdfast-dlq-error-message']]),
  ).toEqual([['2', 'no stock']])
  await runtime.run(one.close())
})

test('several that were failed are tried again one by one, in the order of their offsets', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(6))
  const batches: string[][] = []
  const one = consumer().onBatch(
    orders,
    (messages, { fail }) => {
      batches.push(idsOf(messages))
      if (messages.length > 1) for (const message of messages.slice(1, 5)) fail(message, 'later')
    },
    { retry: { maxAttempts: 2, initialDelayMs: 1_000, jitter: 0.9 } },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 6n)
  expect(batches).toEqual([names(6), ['o-2'], ['o-3'], ['o-4'], ['o-5']])
  await runtime.run(one.close())
})

test('what is given to fail() and is no message of the batch fails the call: nothing passes as handled by a slip', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(2))
  const one = consumer().onBatch(orders, ([message], { fail }) => fail({ ...message! }, new Error('a copy')), {
    retry: once,
  })
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(deadLetters().map(({ headers }) => headers['holdfast-dlq-error-code'])).toEqual([
    'HOLDFAST_CONFIG_INVALID',
    'HOLDFAST_CONFIG_INVALID',
  ])
  await runtime.run(one.close())
})

test('fail() after the handler has ended changes nothing, and is said', async () => {
  const { consumer, append, runtime, start, committed, logged, deadLetters } = world()
  append(ids(1))
  let late: () => void = () => {}
  const one = consumer().onBatch(orders, ([message], { fail }) => void (late = () => fail(message!, 'late')))
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  late()
  await runtime.advance(60_000)
  expect(logged.filter(({ message }) => message.includes('after its batch had ended'))).toHaveLength(1)
  expect(deadLetters()).toEqual([])
  await runtime.run(one.close())
})

test.each([
  ['throws', (): void => void thrown()],
  ['rejects', async (): Promise<void> => thrown()],
])(
  'when the handler %s, each is tried by itself in the order of offsets, without an attempt used up: one poison parks alone',
  async (_, fail) => {
    const { consumer, append, runtime, start, committed, deadLetters } = world()
    append(ids(4))
    const batches: string[][] = []
    const seen: [number, boolean][] = []
    const one = consumer().onBatch(
      orders,
      (messages) => {
        batches.push(idsOf(messages))
        seen.push(...messages.map(({ context }) => [context.attempt, context.redelivered] as [number, boolean]))
        return idsOf(messages).includes('o-2') ? fail() : undefined
      },
      { retry: once },
    )
    const [parked, handled, retrying] = [collect(one, 'parked'), collect(one, 'handled'), collect(one, 'retrying')]
    await start(one)
    await runtime.runUntil(() => committed() === 4n)
    expect(batches).toEqual([names(4), ['o-1'], ['o-2'], ['o-3'], ['o-4']])
    expect([parked, handled, retrying]).toEqual([[1n], [0n, 2n, 3n], []])
    expect(seen.slice(4)).toEqual([1, 2, 3, 4].map(() => [1, true]))
    expect(deadLetters()).toHaveLength(1)
    await runtime.run(one.close())
  },
)

test('a message behind one that is being retried waits for it, so that no later one of its key comes before', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const alone: string[] = []
  const one = consumer().onBatch(
    orders,
    (messages) => {
      if (messages.length > 1) throw new Error('all')
      alone.push(messages[0]!.value.id)
      if (messages[0]!.value.id === 'o-1' && messages[0]!.context.attempt < 3) throw new Error('again')
    },
    { retry: { maxAttempts: 3, initialDelayMs: 5_000, jitter: 0 } },
  )
  await start(one)
  await runtime.runUntil(() => alone.length === 1)
  await runtime.advance(4_000)
  expect(alone).toEqual(['o-1'])
  expect(one.health()).toMatchObject({ status: 'healthy', partitions: [{ underWay: 3 }] })
  await runtime.runUntil(() => committed() === 3n)
  expect(alone).toEqual(['o-1', 'o-1', 'o-1', 'o-2', 'o-3'])
  await runtime.run(one.close())
})

test('an error rule judges single messages, never a whole batch: a verdict of park parks the one', async () => {
  class Poison extends Error {}
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const one = consumer().onBatch(
    orders,
    (messages) => {
      if (idsOf(messages).includes('o-2')) throw new Poison()
    },
    { errors: [{ when: Poison, verdict: 'park' }] },
  )
  const parked = collect(one, 'parked')
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect(parked).toEqual([1n])
  await runtime.run(one.close())
})

test('an outage pauses the partition with the first of the batch: one call at a time finds out whether it is over', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(50))
  let out = true
  let calls = 0
  const seen = new Set<string>()
  const one = consumer().onBatch(
    orders,
    (messages) => {
      calls++
      seen.add(idsOf(messages).join())
      if (out) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    },
    { errors: [{ when: { code: 'ECONNREFUSED' }, verdict: 'pause' }], retry: once },
  )
  await start(one)
  await runtime.advance(300_000)
  expect(seen).toEqual(new Set([names(50).join(), 'o-1']))
  expect(calls).toBeLessThan(75) // at most every four seconds or so
  expect(one.health().reasons).toEqual([expect.stringContaining('ECONNREFUSED')])
  out = false
  await runtime.runUntil(() => committed() === 50n)
  expect([one.health().status, deadLetters()]).toEqual(['healthy', []])
  await runtime.run(one.close())
})

test('duplicates, tombstones and what cannot be read are in no batch, and have their outcome', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  const store = memoryDedupeStore({ runtime })
  const id = (name: string) => ({ headers: [['holdfast-id', Buffer.from(name)]] as const })
  append([{ id: 'o-1' }], id('a'))
  append([{ id: 'o-2' }], id('b'))
  append([null])
  append([Buffer.from('nonsense')], id('c'))
  append([{ id: 'o-3' }], id('d'))
  append([{ id: 'o-1 again' }], id('a'))
  const batches: string[][] = []
  const one = consumer().onBatch(orders, (messages) => void batches.push(idsOf(messages)), {
    dedupe: { store },
    maxBatchSize: 5,
  })
  const [duplicates, skipped] = [collect(one, 'duplicate'), collect(one, 'skipped')]
  await start(one)
  await runtime.runUntil(() => committed() === 6n)
  expect(batches).toEqual([names(3)])
  expect([duplicates, skipped, deadLetters().length]).toEqual([[5n], [2n], 1])
  await runtime.run(one.close())
})

test('a message that somebody else works on is waited for by those behind it, and not by those before', async () => {
  const { consumer, append, runtime, start, committed } = world()
  const store = memoryDedupeStore({ runtime })
  for (const name of ['a', 'b', 'c', 'd']) append([{ id: name }], { headers: [['holdfast-id', Buffer.from(name)]] })
  await store.begin(storedId('b'), { leaseMs: 5_000 })
  const batches: string[][] = []
  const one = consumer().onBatch(orders, (messages) => void batches.push(idsOf(messages)), { dedupe: { store } })
  await start(one)
  await runtime.advance(3_000)
  expect([batches, committed()]).toEqual([[['a']], 1n])
  expect(one.health().partitions[0]).toMatchObject({ pausedFor: 'another holder works on the same message' })
  await runtime.runUntil(() => committed() === 4n)
  expect(batches).toEqual([['a'], ['b', 'c', 'd']])
  await runtime.run(one.close())
})

test('a message that comes twice is in two batches: in one, each would wait for the other, for its lease or for its place in the order', async () => {
  const { consumer, append, runtime, start, committed } = world()
  const twin = { headers: [['holdfast-id', Buffer.from('twin')]] } as const
  append(ids(1))
  append(ids(1, 2), twin)
  append(ids(1, 3), twin)
  append(ids(1, 4))
  const memory = memoryDedupeStore({ runtime })
  let asked = 0
  const store: DedupeStore = {
    ...memory,
    async begin(id, options) {
      if (++asked === 2) await runtime.clock.sleep(10) // the first twin's question comes last, as over a pool of connections it may
      return memory.begin(id, options)
    },
  }
  const batches: string[][] = []
  const one = consumer().onBatch(orders, (messages) => void batches.push(idsOf(messages)), { dedupe: { store } })
  const duplicates = collect(one, 'duplicate')
  await start(one)
  await runtime.runUntil(() => committed() === 4n)
  expect(batches).toEqual([['o-1', 'o-2'], ['o-4']])
  expect(duplicates).toEqual([2n])
  await runtime.run(one.close())
})

test('a message that was handled with others, and could not be marked, answers for itself when it comes again by itself', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(2))
  const memory = memoryDedupeStore({ runtime })
  let lost = 0
  const store: DedupeStore = {
    ...memory,
    async complete(token, outcome) {
      if (++lost > 2) return memory.complete(token, outcome)
      await memory.abandon(token)
      throw new HoldfastError('HOLDFAST_LEASE_LOST', 'the server has forgotten')
    },
  }
  const batches: string[][] = []
  const one = consumer().onBatch(
    orders,
    (messages) => {
      batches.push(idsOf(messages))
      if (batches.length > 1 && idsOf(messages)[0] === 'o-1') throw new Error('no')
    },
    { dedupe: { store }, retry: once },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(batches).toEqual([['o-1', 'o-2'], ['o-1'], ['o-2']])
  expect(deadLetters().map(({ headers }) => headers['holdfast-dlq-attempts'])).toEqual(['1'])
  await runtime.run(one.close())
})

test('a store that falls silent for one message of a batch keeps no later message of its key from waiting for it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  const store = memoryDedupeStore({ runtime })
  for (const name of ['a', 'b', 'c']) append([{ id: name }], { headers: [['holdfast-id', Buffer.from(name)]] })
  let failures = 3
  const flaky: typeof store = {
    ...store,
    begin: async (id, options) => {
      if (id === storedId('b') && failures-- > 0) throw new Error('down')
      return store.begin(id, options)
    },
  }
  const seen: string[] = []
  const one = consumer().onBatch(orders, (messages) => void seen.push(...idsOf(messages)), { dedupe: { store: flaky } })
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect([failures, seen]).toEqual([-1, ['a', 'b', 'c']])
  await runtime.run(one.close())
})

test('a batch that does not end in time is told by its signal; nothing begins before the call has ended, then each by itself', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const hang = gate()
  const batches: string[][] = []
  let aborted: unknown
  const one = consumer().onBatch(
    orders,
    async (messages, { signal }) => {
      batches.push(idsOf(messages))
      if (messages.length === 1) return
      signal.addEventListener('abort', () => (aborted = signal.reason))
      await hang.opened
      throw new Error('aborted')
    },
    { handlerTimeoutMs: 1_000, retry: once },
  )
  const timedOut = collect(one, 'timed-out')
  const late: string[] = []
  one.listen('late', ({ ended }) => void late.push(ended))
  await start(one)
  await runtime.runUntil(() => timedOut.length === 3)
  expect(aborted).toMatchObject({ code: 'HOLDFAST_HANDLER_TIMEOUT' })
  append(ids(1, 4))
  await runtime.advance(60_000)
  expect(batches).toHaveLength(1)
  expect(one.health().reasons).toEqual([expect.stringContaining('has timed out and has not ended')])
  hang.open()
  await runtime.runUntil(() => committed() === 4n)
  expect(batches).toEqual([names(3), ['o-1'], ['o-2'], ['o-3'], ['o-4']])
  expect(late).toEqual(['rejected', 'rejected', 'rejected'])
  await runtime.run(one.close())
})

test.each([1, 2])(
  'a batch of %i that did not end in time keeps no place: one hung batch must not stop the other partitions',
  async (size) => {
    const { consumer, append, runtime, start, committed } = world({ partitions: 3 })
    const hang = gate()
    const calls: string[][] = []
    let running = 0
    let most = 0
    const one = consumer({ concurrency: 1 }).onBatch(
      orders,
      async (messages, { partition }) => {
        calls.push(idsOf(messages))
        if (partition === 0 && calls.length === 1) {
          await hang.opened
          return thrown()
        }
        most = Math.max(most, ++running)
        await runtime.clock.sleep(10)
        running--
      },
      { handlerTimeoutMs: 1_000, retry: twice },
    )
    append(ids(size))
    await start(one)
    await runtime.advance(100)
    for (const partition of [1, 2]) append(ids(2, 10), { partition })
    await runtime.advance(899)
    expect(calls).toHaveLength(1)
    await runtime.advance(60_000)
    expect([committed(0), committed(1), committed(2)]).toEqual([0n, 2n, 2n])
    hang.open()
    for (const partition of [1, 2]) append(ids(20, 20), { partition })
    await runtime.runUntil(() => committed(0) === BigInt(size) && committed(1) === 22n && committed(2) === 22n)
    expect(most).toBe(1) // the place that was given up was given up once
    await runtime.run(one.close())
  },
)

test('a batch that ends well after its time has handled its messages: none is called again', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const batches: string[][] = []
  const one = consumer().onBatch(
    orders,
    (messages) => {
      batches.push(idsOf(messages))
      return runtime.clock.sleep(5_000)
    },
    { handlerTimeoutMs: 1_000, retry: once },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect(batches).toEqual([names(3)])
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('a timeout parks only the message that takes too long by itself', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const one = consumer().onBatch(
    orders,
    async (messages, { signal }) => {
      if (!idsOf(messages).includes('o-2')) return
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    },
    { handlerTimeoutMs: 1_000, retry: once },
  )
  const [parked, handled] = [collect(one, 'parked'), collect(one, 'handled')]
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect([parked, handled]).toEqual([[1n], [0n, 2n]])
  await runtime.run(one.close())
})

test('with a dedupe store a batch that timed out begins anew, one by one, and each is marked once', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  let calls = 0
  const one = consumer().onBatch(
    orders,
    async (messages, { signal }) => {
      calls++
      if (messages.length === 1) return
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    },
    { handlerTimeoutMs: 1_000, dedupe: { store: memoryDedupeStore({ runtime }) } },
  )
  const handled = collect(one, 'handled')
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect([calls, handled]).toEqual([4, [0n, 1n, 2n]])
  await runtime.run(one.close())
})

test('partitions that go let the batch under way end, and commit it; what waits for its own call is left to the next owner', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(4))
  const third = gate()
  const first: string[] = []
  const one = consumer({ ...session, process: 'b' }).onBatch(orders, async (messages) => {
    if (messages.length > 1) throw new Error('one by one')
    first.push(...idsOf(messages))
    if (messages[0]!.value.id === 'o-2') await third.opened
  })
  await start(one)
  await runtime.runUntil(() => first.length === 2)
  const second: string[] = []
  const two = consumer({ ...session, process: 'B-comes-first' }).onBatch(
    orders,
    (messages) => void second.push(...idsOf(messages)),
  )
  const joining = start(two)
  await runtime.advance(2_000)
  expect(first).toEqual(['o-1', 'o-2'])
  third.open()
  await joining
  await runtime.runUntil(() => committed() === 4n)
  expect([first, second]).toEqual([
    ['o-1', 'o-2'],
    ['o-3', 'o-4'],
  ])
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test('a batch is not called once its partition goes, though its last message is only then read or begun', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  append(ids(2))
  const store = memoryDedupeStore({ runtime })
  const slow = gate()
  let begun = 0
  const halting: typeof store = {
    ...store,
    begin: async (id, options) => {
      if (++begun === 2) await slow.opened
      return store.begin(id, options)
    },
  }
  let calls = 0
  const one = consumer(session).onBatch(orders, () => void calls++, { dedupe: { store: halting } })
  await start(one)
  await runtime.runUntil(() => begun === 2)
  cluster.unreachable(true, 'one')
  cluster.expireSession('inventory')
  const closing = one.close()
  await runtime.advance(1_000)
  slow.open()
  await runtime.run(closing)
  expect(calls).toBe(0)
})

test('a lost partition aborts the batch and commits nothing of it; it is handled again', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(3))
  const batches: string[][] = []
  let reason: unknown
  const one = consumer(session).onBatch(orders, async (messages, { signal }) => {
    batches.push(idsOf(messages))
    if (batches.length > 1) return
    await new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => {
        reason = signal.reason
        resolve()
      }),
    )
  })
  await start(one)
  await runtime.runUntil(() => batches.length === 1)
  cluster.expireSession('inventory')
  await runtime.runUntil(() => committed() === 3n)
  expect(batches).toEqual([names(3), names(3)])
  expect(reason).toMatchObject({ code: 'HOLDFAST_EPOCH_LOST' })
  await runtime.run(one.close())
})

test('a batch that a drain left behind keeps the partition from the next epoch’s batches in this process', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(3))
  const hang = gate()
  let running = 0
  let most = 0
  let calls = 0
  const one = consumer(session).onBatch(orders, async () => {
    most = Math.max(most, ++running)
    if (++calls === 1) await hang.opened
    running--
  })
  await start(one)
  await runtime.runUntil(() => calls === 1)
  cluster.expireSession('inventory')
  await runtime.advance(30_000)
  expect(calls).toBe(1)
  expect(one.health().reasons).toEqual([expect.stringContaining('an earlier assignment is still running')])
  hang.open()
  await runtime.runUntil(() => committed() === 3n)
  expect([most, calls]).toEqual([1, 2])
  await runtime.run(one.close())
})

test('a close lets the batch under way end and begins no other', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(6))
  const batches: string[][] = []
  const one = consumer().onBatch(
    orders,
    (messages) => {
      batches.push(idsOf(messages))
      return runtime.clock.sleep(1_000)
    },
    { maxBatchSize: 2 },
  )
  await start(one)
  await runtime.runUntil(() => batches.length === 2)
  await runtime.run(one.close())
  expect([batches.length, committed()]).toEqual([2, 4n])
})

test('what single messages have and batches have not is refused at start, with the rest', async () => {
  const { consumer, runtime } = world()
  const one = consumer().onBatch(orders, () => {}, {
    ordering: 'key',
    ack: 'manual',
    onTombstone: () => {},
    maxBatchSize: 0,
    maxBatchWaitMs: 60_001,
  } as object)
  const problems = await runtime.run(
    one.start().then(
      () => [],
      (error: { problems: readonly { path: string }[] }) => error.problems.map(({ path }) => path),
    ),
  )
  expect(problems.toSorted()).toEqual([
    'orders.ack',
    'orders.maxBatchSize',
    'orders.maxBatchWaitMs',
    'orders.onTombstone',
    'orders.ordering',
  ])
})

test('a message that comes to its batch does not look through all the others: a batch of thousands would take seconds', async () => {
  const count = 1_000
  const epoch = createEpoch({ topic: 'orders', partition: 0 }, 1, null)
  const called = gate()
  const runtime = virtualRuntime()
  const gathering = createBatchGathering(() => called.open(), {
    dispatcher: createDispatcher(1, runtime.clock),
    subscription: { bound: null } as Subscription,
    epoch,
    inbox: null,
    logger: silentLogger,
    runtime,
    isSuspect: () => false,
    confirmMembership: async () => {},
  })
  const deliveries = Array.from({ length: count }, (_, i) => {
    const record = {
      topic: 'orders',
      partition: 0,
      offset: BigInt(i),
      key: null,
      value: null,
      headers: [],
      timestamp: 0n,
    }
    return new Delivery({ record, groupId: GROUP, ticket: i, lane: null, arrival: i, takenAt: 0 })
  })
  const participant = { message: { context: {} } as BatchMessage<unknown>, resolve() {}, reject() {}, calledAnew() {} }
  const looks = vi.spyOn(Map.prototype, Symbol.iterator)
  const looksAtValues = vi.spyOn(Map.prototype, 'values')
  try {
    gathering.begin(deliveries)
    for (const each of deliveries) gathering.join(each, { enter: () => participant, refuse() {} })
    await called.opened
    expect(looks.mock.calls.length + looksAtValues.mock.calls.length).toBeLessThan(10)
  } finally {
    looks.mockRestore()
    looksAtValues.mockRestore()
  }
})

test('law: whatever a batch handler does, messages are handled in the order of offsets, one call at a time, and all have an outcome', async () => {
  const act = fc.constantFrom('well', 'well', 'well', 'throw', 'fail', 'hang')
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 6 }),
      fc.option(fc.integer({ min: 1, max: 20 }), { nil: null }),
      async (script, count, maxBatchSize, lostAfter) => {
        const { consumer, append, runtime, start, committed, cluster } = world()
        append(ids(count))
        const succeeded: bigint[] = []
        let running = 0
        let most = 0
        let calls = 0
        const one = consumer({ ...session, drainTimeoutMs: 500 }).onBatch(
          orders,
          async (messages, { fail, signal }) => {
            most = Math.max(most, ++running)
            const todo = script[calls++] ?? 'well'
            if (calls === lostAfter) cluster.expireSession(GROUP)
            try {
              await runtime.clock.sleep(todo === 'hang' ? 5_000 : 10)
              if (todo === 'throw' || signal.aborted) throw new Error('no')
              for (const message of messages) {
                if (todo === 'fail' && message.context.offset % 2n === 0n) fail(message, new Error('no'))
                else succeeded.push(message.context.offset)
              }
            } finally {
              running--
            }
          },
          { maxBatchSize, handlerTimeoutMs: 1_000, retry: { maxAttempts: 50, initialDelayMs: 100, maxDelayMs: 500 } },
        )
        await start(one)
        await runtime.runUntil(() => committed() === BigInt(count))
        await runtime.run(one.close())
        expect([new Set(succeeded).size, most]).toEqual([count, 1])
        // Those that fail() named come after the rest of their batch; all others in the order of their offsets, what is repeated aside.
        const order = [...new Set(succeeded)].filter((offset) => !script.includes('fail') || offset % 2n === 1n)
        expect(order).toEqual(order.toSorted((a, b) => (a < b ? -1 : 1)))
      },
    ),
    { numRuns: 150 },
  )
})

function thrown(): never {
  throw new Error('the batch')
}

// The types flow from the topic: no cast is needed to write this down.
void ((messages: Orders, batch: BatchContext): void => {
  for (const message of messages) batch.fail(message, new Error('typed'))
})

test('a message that was failed in its batch before the partition goes has used up an attempt, though the call ends later', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(2))
  const store = memoryDedupeStore({ runtime })
  const given: (number | undefined)[] = []
  const watched = {
    ...store,
    abandon(token: string, failedAttempts?: number) {
      given.push(failedAttempts)
      return store.abandon(token, failedAttempts)
    },
  }
  const entered = gate()
  const leaving = gate()
  const one = consumer({ drainTimeoutMs: 1_000 }).onBatch(
    orders,
    async (messages, batch) => {
      batch.fail(messages[0]!, new Error('bad'))
      entered.open()
      await leaving.opened
      batch.fail(messages[1]!, new Error('stopped'))
    },
    { dedupe: { store: watched }, retry: { maxAttempts: 3, initialDelayMs: 10 } },
  )
  await start(one)
  await runtime.run(entered.opened)
  const closed = one.close()
  await runtime.advance(1_000)
  leaving.open()
  await runtime.run(closed)
  await runtime.advance(100)
  expect(given).toEqual([1, 0])
})

test('batches of two partitions that have each other’s messages do not wait for one another for ever', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  const id = (name: string): [string, Uint8Array][] => [['holdfast-id', Buffer.from(name)]]
  append([{ id: 'm-1' }], { headers: id('1') })
  append([{ id: 'm-2' }], { headers: id('2') })
  append([{ id: 'm-2' }], { headers: id('2'), partition: 1 })
  append([{ id: 'm-1' }], { headers: id('1'), partition: 1 })
  // The first partition begins its second message, and the second its second; then each asks for what the other holds.
  const inner = memoryDedupeStore({ runtime })
  const both = gate()
  const asked: string[] = []
  const store: DedupeStore = {
    ...inner,
    async begin(dedupeId, options) {
      const name = (JSON.parse(dedupeId) as string[])[2]!
      asked.push(name)
      if (asked.length === 1) await both.opened
      if (asked.length === 4) both.open()
      return inner.begin(dedupeId, options)
    },
  }
  const handled: string[] = []
  const one = consumer().onBatch(orders, (messages) => void handled.push(...messages.map(({ value }) => value.id)), {
    dedupe: { store, leaseMs: 60_000 },
    handlerTimeoutMs: 30_000,
  })
  const duplicates: bigint[] = []
  one.listen('duplicate', ({ position }) => duplicates.push(position.offset))
  await start(one)
  await runtime.runUntil(() => committed(0) === 2n && committed(1) === 2n)
  expect(runtime.clock.monotonic()).toBeLessThan(30_000)
  expect(handled.toSorted()).toEqual(['m-1', 'm-2'])
  expect(duplicates).toHaveLength(2)
  await runtime.run(one.close())
})

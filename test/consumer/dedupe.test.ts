import { expect, test, vi } from 'vitest'
import { HoldfastError } from '../../src/errors/index.ts'
import type { DedupeStore } from '../../src/idempotency/index.ts'
import { dedupeId, memoryDedupeStore } from '../../src/idempotency/index.ts'
import type { VirtualRuntime } from '../../src/testing/index.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const retry = { maxAttempts: 2, initialDelayMs: 100, jitter: 0 }
const withId = (id: string): [string, Uint8Array][] => [['holdfast-id', Buffer.from(id)]]
const idOf = (messageId: string): string => dedupeId({ groupId: GROUP, handler: 'orders', messageId })

/** When a store answers: with a promise, or, as the port lets it, without one. */
type Answers = 'later' | 'at once'

/** A memory store that tells what it is asked, and can be out. */
function watched(runtime: VirtualRuntime, answers: Answers = 'later') {
  const store = memoryDedupeStore({ runtime })
  const calls: string[] = []
  const state = { down: false }
  const ask = <T>(name: string, call: () => T): T => {
    if (state.down) throw new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'down', { retriable: true })
    calls.push(name)
    return call()
  }
  const guard = <T>(name: string, call: () => Promise<T> | T): Promise<T> | T =>
    answers === 'at once' ? ask(name, call) : (async () => ask(name, call))()
  const watchedStore: DedupeStore = {
    begin: (id, options) => guard('begin', () => store.begin(id, options)),
    complete: (token, outcome) => guard(`complete ${outcome}`, () => store.complete(token, outcome)),
    abandon: (token, failedAttempts) => guard('abandon', () => store.abandon(token, failedAttempts)),
    renew: (token, leaseMs) => guard('renew', () => store.renew(token, leaseMs)),
  }
  return { store, watchedStore, calls, state }
}

test.each<Answers>(['later', 'at once'])(
  'a message that comes twice is handled once; the second is a duplicate whose offset moves (store answers %s)',
  async (answers) => {
    const { consumer, append, runtime, start, committed } = world()
    append(ids(1), { headers: withId('a') })
    append(ids(1), { headers: withId('a') })
    const { watchedStore, calls } = watched(runtime, answers)
    let handled = 0
    const duplicates: string[] = []
    const one = consumer().on(orders, () => void handled++, { dedupe: { store: watchedStore } })
    one.listen('duplicate', ({ messageId }) => duplicates.push(messageId))
    await start(one)
    await runtime.runUntil(() => committed() === 2n)
    expect([handled, duplicates]).toEqual([1, ['a']])
    expect(calls).toEqual(['begin', 'complete handled', 'begin'])
    await runtime.run(one.close())
  },
)

test('a message is marked as parked after its park is acknowledged, and before its offset moves', async () => {
  const { consumer, append, runtime, start, committed, cluster, points } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore, store } = watched(runtime)
  const parked = points.holdAt('park:acknowledged')
  const completed = points.holdAt('process:completed')
  const one = consumer().on(
    orders,
    () => {
      throw new Error('no')
    },
    { retry, dedupe: { store: watchedStore } },
  )
  await start(one)
  await runtime.run(parked.reached)
  expect(cluster.records('orders.dlq')).toHaveLength(1)
  expect(await store.begin(idOf('a'), { leaseMs: 1 })).toMatchObject({ kind: 'busy' })
  parked.release()
  await runtime.run(completed.reached)
  expect(await store.begin(idOf('a'), { leaseMs: 1 })).toEqual({ kind: 'done', outcome: 'parked' })
  expect(committed()).toBe(0n)
  completed.release()
  await runtime.runUntil(() => committed() === 1n)
  await runtime.run(one.close())
})

test.each<Answers>(['later', 'at once'])(
  'a message that another holder works on is waited for, and never acknowledged before the store knows its end (store answers %s)',
  async (answers) => {
    const { consumer, append, runtime, start, committed } = world()
    append(ids(1), { headers: withId('a') })
    const { watchedStore, store } = watched(runtime, answers)
    const other = await store.begin(idOf('a'), { leaseMs: 30_000 })
    let handled = 0
    const one = consumer().on(orders, () => void handled++, { dedupe: { store: watchedStore } })
    await start(one)
    await runtime.advance(10_000)
    expect([handled, committed()]).toEqual([0, 0n])
    if (other.kind === 'started') await store.complete(other.token, 'handled')
    await runtime.runUntil(() => committed() === 1n)
    expect(handled).toBe(0)
    await runtime.run(one.close())
  },
)

test('health says when another holder keeps a message for longer than two leases: it may hang, and renew for ever', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore, store } = watched(runtime)
  const other = await store.begin(idOf('a'), { leaseMs: 3_600_000 })
  const one = consumer().on(orders, () => {}, {
    handlerTimeoutMs: 20_000,
    dedupe: { store: watchedStore, leaseMs: 30_000 },
  })
  await start(one)
  await runtime.advance(59_000)
  expect(one.health().status).toBe('healthy')
  await runtime.advance(3_000)
  expect(one.health().reasons).toEqual(['orders[0]: another holder works on the same message'])
  if (other.kind === 'started') await store.abandon(other.token, 0)
  await runtime.runUntil(() => committed() === 1n)
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('thousands of messages that others work on do not search each other while they wait', async () => {
  const { consumer, append, runtime, start, committed } = world()
  let isHeld = true
  const store: DedupeStore = {
    ...watched(runtime).watchedStore,
    begin: () =>
      isHeld ? { kind: 'busy', untilMs: runtime.clock.now() + 1_000 } : { kind: 'done', outcome: 'handled' },
  }
  for (const { id } of ids(300)) append([{ id }], { key: id })
  const listening = new Map<EventTarget, number>()
  const original = EventTarget.prototype.addEventListener
  const add = vi.spyOn(EventTarget.prototype, 'addEventListener').mockImplementation(function (
    this: EventTarget,
    ...args
  ) {
    listening.set(this, (listening.get(this) ?? 0) + 1)
    original.apply(this, args)
  })
  try {
    const one = consumer({ concurrency: 5 }).on(orders, () => {}, { dedupe: { store } })
    await start(one)
    await runtime.advance(2_000)
    isHeld = false
    await runtime.runUntil(() => committed() === 300n)
    await runtime.run(one.close())
  } finally {
    add.mockRestore()
  }
  expect(Math.max(...listening.values())).toBeLessThan(10)
})

test('a holder that died keeps the message no longer than its lease, and its attempt counts', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore, store } = watched(runtime)
  await store.begin(idOf('a'), { leaseMs: 30_000 })
  const attempts: number[] = []
  const one = consumer().on(
    orders,
    (_, { attempt, redelivered }) => {
      expect(redelivered).toBe(true)
      attempts.push(attempt)
    },
    { dedupe: { store: watchedStore } },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(attempts).toEqual([2])
  expect(runtime.clock.monotonic()).toBeGreaterThanOrEqual(31_000)
  await runtime.run(one.close())
})

test('a poison that kills its process is parked without another call, once the store has counted its attempts', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore, store } = watched(runtime)
  for (const _ of [1, 2]) {
    await store.begin(idOf('a'), { leaseMs: 1 })
    await runtime.advance(1)
  }
  let handled = 0
  const one = consumer().on(orders, () => void handled++, { retry, dedupe: { store: watchedStore } })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(handled).toBe(0)
  expect(deadLetters()[0]!.headers).toMatchObject({
    'holdfast-dlq-attempts': '2',
    'holdfast-dlq-error-class': 'NeverEnded',
  })
  await runtime.run(one.close())
})

test('the lease is renewed from the first attempt to the end of the last, so that a message that takes long is not handled beside itself', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore, store } = watched(runtime)
  let isDone = false
  const one = consumer().on(
    orders,
    async () => {
      await runtime.clock.sleep(2_000)
      if (!isDone) throw new Error('not yet')
    },
    {
      retry: { maxAttempts: 100, initialDelayMs: 2_000, factor: 1 },
      handlerTimeoutMs: 2_500,
      dedupe: { store: watchedStore, leaseMs: 3_000 },
    },
  )
  await start(one)
  for (let second = 0; second < 60; second++) {
    await runtime.advance(1_000)
    expect(await store.begin(idOf('a'), { leaseMs: 1 })).toMatchObject({ kind: 'busy' })
  }
  isDone = true
  await runtime.runUntil(() => committed() === 1n)
  await runtime.run(one.close())
})

test.each<Answers>(['later', 'at once'])(
  'a lease that was lost marks nothing: the message goes round again, and the store says who was first (store answers %s)',
  async (answers) => {
    const { consumer, append, runtime, start, committed } = world()
    append(ids(1), { headers: withId('a') })
    const { watchedStore, store, state } = watched(runtime, answers)
    let calls = 0
    let handled = 0
    const one = consumer().on(
      orders,
      () => {
        if (++calls === 1) throw new Error('not yet')
        handled++
      },
      {
        retry: { initialDelayMs: 12_000, maxDelayMs: 12_000, jitter: 0 },
        handlerTimeoutMs: 2_000,
        dedupe: { store: watchedStore, leaseMs: 3_000 },
      },
    )
    await start(one)
    await runtime.runUntil(() => calls === 1)
    state.down = true
    await runtime.advance(10_000)
    const other = await store.begin(idOf('a'), { leaseMs: 60_000 })
    expect(other.kind).toBe('started')
    state.down = false
    await runtime.advance(5_000)
    expect([handled, committed()]).toEqual([1, 0n])
    if (other.kind === 'started') await store.complete(other.token, 'handled')
    await runtime.runUntil(() => committed() === 1n)
    expect(handled).toBe(1)
    await runtime.run(one.close())
  },
)

test.each<Answers>(['later', 'at once'])(
  'a store that is down pauses the partition (nobody knows what was done), turns health red, and it resumes by itself (store answers %s)',
  async (answers) => {
    const { consumer, append, runtime, start, committed } = world()
    append(ids(2), { headers: withId('a') })
    const { watchedStore, state } = watched(runtime, answers)
    state.down = true
    let handled = 0
    const one = consumer().on(orders, () => void handled++, { dedupe: { store: watchedStore } })
    await start(one)
    await runtime.advance(300_000)
    expect([handled, committed()]).toEqual([0, 0n])
    expect(one.health().reasons).toEqual(['orders[0]: the dedupe store does not answer (HOLDFAST_STORE_UNAVAILABLE)'])
    state.down = false
    await runtime.runUntil(() => committed() === 2n)
    expect(one.health().status).toBe('healthy')
    await runtime.run(one.close())
  },
)

test.each<Answers>(['later', 'at once'])(
  'a store that goes down after the effect holds the offset until the mark is made, without a second call (store answers %s)',
  async (answers) => {
    const { consumer, append, runtime, start, committed } = world()
    append(ids(1), { headers: withId('a') })
    const { watchedStore, state } = watched(runtime, answers)
    let handled = 0
    const one = consumer().on(
      orders,
      () => {
        handled++
        state.down = true
      },
      { dedupe: { store: watchedStore } },
    )
    await start(one)
    await runtime.advance(20_000)
    expect([handled, committed()]).toEqual([1, 0n])
    state.down = false
    await runtime.runUntil(() => committed() === 1n)
    expect(handled).toBe(1)
    await runtime.run(one.close())
  },
)

test.each([
  ['none', []],
  ['one that is too long', withId('x'.repeat(201))],
  ['an empty one', withId('')],
])('a record with no usable id (%s) is recognised by its place, with one warning', async (_, headers) => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append(ids(3), { headers })
  const messageIds: string[] = []
  const one = consumer().on(orders, ({ id }) => void messageIds.push(id), {
    dedupe: { store: memoryDedupeStore({ runtime }) },
  })
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect(messageIds).toEqual(['orders[0]@0', 'orders[0]@1', 'orders[0]@2'])
  expect(logged.filter(({ message }) => message.includes('have no holdfast-id'))).toHaveLength(1)
  await runtime.run(one.close())
})

test.each<Answers>(['later', 'at once'])(
  'what a close interrupts is given back at once, so that its next owner need not wait for the lease (store answers %s)',
  async (answers) => {
    const { consumer, append, runtime, start, committed } = world()
    append(ids(1), { headers: withId('a') })
    const { watchedStore, calls } = watched(runtime, answers)
    const begun = gate()
    const one = consumer({ drainTimeoutMs: 1_000 }).on(
      orders,
      async (_, { signal }) => {
        begun.open()
        await runtime.clock.sleep(600_000, signal)
      },
      { dedupe: { store: watchedStore } },
    )
    await start(one)
    await begun.opened
    await runtime.run(one.close())
    expect(calls).toContain('abandon')
    const two = consumer({ process: 'two' }).on(orders, () => {}, { dedupe: { store: watchedStore } })
    await start(two)
    await runtime.runUntil(() => committed() === 1n, { maxMs: 1_000 })
    await runtime.run(two.close())
  },
)

test('interruptions are no attempts: a slow message that outlives many closes is handled, not parked', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore } = watched(runtime)
  const attempts: number[] = []
  for (let life = 1; life <= 6; life++) {
    const begun = gate()
    const interrupted = consumer({ process: `life-${life}`, drainTimeoutMs: 1_000 }).on(
      orders,
      async (_, { signal, attempt }) => {
        attempts.push(attempt)
        begun.open()
        await runtime.clock.sleep(600_000, signal)
      },
      { dedupe: { store: watchedStore }, retry: { maxAttempts: 3 } },
    )
    await start(interrupted)
    await begun.opened
    await runtime.run(interrupted.close())
  }
  expect(attempts).toEqual([1, 1, 1, 1, 1, 1])
  const last = consumer({ process: 'last' }).on(orders, () => {}, { dedupe: { store: watchedStore } })
  await start(last)
  await runtime.runUntil(() => committed() === 1n, { maxMs: 1_000 })
  await runtime.run(last.close())
})

test('a store that forgets leases has the handler called ever more seldom, and health says so: it would be called without bound', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append(ids(1))
  const { watchedStore } = watched(runtime)
  let calls = 0
  const one = consumer().on(orders, () => void calls++, {
    dedupe: {
      store: {
        ...watchedStore,
        complete(token, outcome) {
          // the fourth is one that it keeps; the test shall end also where nothing waits
          if (calls < 4) throw new HoldfastError('HOLDFAST_LEASE_LOST', 'evicted')
          return watchedStore.complete(token, outcome)
        },
      },
    },
  })
  await start(one)
  const from = runtime.clock.monotonic()
  await runtime.runUntil(() => one.health().status === 'unhealthy')
  expect(calls).toBe(2) // somebody else may have begun the message: once is no reason to wait
  expect(one.health().reasons[0]).toMatch(/^orders\[0\]: orders\[0\]@0 loses its dedupe lease again and again/)
  await runtime.runUntil(() => committed() === 1n)
  expect(calls).toBe(4)
  expect(runtime.clock.monotonic() - from).toBeGreaterThan(1_000) // 0.5 s and 1 s, each less a fifth
  expect(logged.filter(({ message }) => message.startsWith('a message lost its dedupe lease again'))).toHaveLength(2)
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('a store is asked once whether it can keep its promises: one that cannot keeps the consumer from starting, one that is out does not', async () => {
  const { consumer, runtime, start, append, committed, logged } = world()
  append(ids(1))
  const store = memoryDedupeStore({ runtime })
  let asked = 0
  const failing = (code: 'HOLDFAST_CONFIG_INVALID' | 'HOLDFAST_STORE_UNAVAILABLE'): DedupeStore => ({
    ...store,
    async check() {
      asked++
      throw new HoldfastError(code, 'its table is not there')
    },
  })
  const unfit = consumer().on(orders, () => {}, { dedupe: { store: failing('HOLDFAST_CONFIG_INVALID') } })
  await expect(start(unfit)).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  await unfit.close()

  const out = consumer({ process: 'two' }).on(orders, () => {}, {
    dedupe: { store: failing('HOLDFAST_STORE_UNAVAILABLE') },
  })
  await start(out)
  await runtime.runUntil(() => committed() === 1n)
  expect(asked).toBe(2)
  expect(logged.filter(({ level }) => level === 'warn').map(({ message }) => message)).toContain(
    'a dedupe store does not answer: its messages wait until it does',
  )
  await runtime.run(out.close())
})

test.each<Answers>(['later', 'at once'])(
  'with onStoreDown "handle" a store that is out keeps nothing waiting: each message that goes on without it is told and counted (store answers %s)',
  async (answers) => {
    const { consumer, append, runtime, start, committed } = world()
    const { watchedStore, state } = watched(runtime, answers)
    const dedupe = { store: watchedStore, onStoreDown: 'handle' } as const
    const handled: string[] = []
    const one = consumer().on(
      orders,
      ({ value }) => {
        handled.push(value.id)
        if (value.id === 'goes') state.down = true
      },
      { dedupe },
    )
    const unguarded: string[] = []
    one.listen('unguarded', ({ messageId, step }) => unguarded.push(`${messageId} ${step}`))
    await start(one)
    append([{ id: 'goes' }], { headers: withId('a') }) // handled, and its mark is lost
    append([{ id: 'without' }], { headers: withId('b') })
    await runtime.runUntil(() => committed() === 2n)
    expect(one.health()).toMatchObject({ status: 'healthy', unguarded: 2 })
    state.down = false
    append([{ id: 'with' }], { headers: withId('c') })
    append([{ id: 'with' }], { headers: withId('c') })
    append([{ id: 'again' }], { headers: withId('b') }) // nobody knows that it was handled
    await runtime.runUntil(() => committed() === 5n)
    expect(handled).toEqual(['goes', 'without', 'with', 'again'])
    expect(unguarded).toEqual(['a complete', 'b begin'])
    expect(one.health().unguarded).toBe(2)
    await runtime.run(one.close())
  },
)

test('a store that hangs counts as out after timeoutMs, long before the lease ends', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore } = watched(runtime)
  const store: DedupeStore = { ...watchedStore, begin: () => new Promise(() => {}) }
  const dedupe = { store, leaseMs: 600_000, timeoutMs: 2_000, onStoreDown: 'handle' } as const
  const before = runtime.clock.monotonic()
  const one = consumer().on(orders, () => {}, { dedupe })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(runtime.clock.monotonic() - before).toBeLessThan(3_000)
  await runtime.run(one.close())
})

test('a lease that was lost is lost with onStoreDown "handle", too: the store has answered', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  const { watchedStore } = watched(runtime)
  let lost = 0
  const complete: DedupeStore['complete'] = (token, outcome) => {
    if (lost++ === 0) throw new HoldfastError('HOLDFAST_LEASE_LOST', 'lost')
    return watchedStore.complete(token, outcome)
  }
  const dedupe = { store: { ...watchedStore, complete }, onStoreDown: 'handle' } as const
  let handled = 0
  const one = consumer().on(orders, () => void handled++, { dedupe })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect([handled, one.health().unguarded]).toEqual([2, 0])
  await runtime.run(one.close())
})

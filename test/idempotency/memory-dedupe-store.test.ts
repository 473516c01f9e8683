import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HoldfastError } from '../../src/errors/index.ts'
import type { BeginResult, DedupeOutcome, DedupeStore } from '../../src/idempotency/index.ts'
import { dedupeId, memoryDedupeStore } from '../../src/idempotency/index.ts'
import { dedupeStoreConformance, virtualRuntime } from '../../src/testing/index.ts'

dedupeStoreConformance({
  name: 'the memory store',
  describe,
  test,
  ttlMs: 60_000,
  async create() {
    const runtime = virtualRuntime()
    return {
      store: memoryDedupeStore({ maxEntries: 1_000, ttlMs: 60_000, runtime }),
      tick: runtime.advance,
      now: () => runtime.clock.now(),
      jumpWallClock: runtime.clock.jumpWallClock,
      close: async () => {},
    }
  },
})

const leaseMs = 1_000

async function handle(store: DedupeStore, id: string): Promise<void> {
  const begun = await store.begin(id, { leaseMs })
  if (begun.kind !== 'started') throw new Error(`${id} is ${begun.kind}`)
  await store.complete(begun.token, 'handled')
}

test('forgets the message that was asked for least recently when it is full, and keeps the lease under way however many pass', async () => {
  const store = memoryDedupeStore({ maxEntries: 3, runtime: virtualRuntime() })
  const working = await store.begin('working', { leaseMs })
  for (const id of ['a', 'b', 'c']) await handle(store, id)
  expect((await store.begin('a', { leaseMs })).kind).toBe('done')
  for (const id of ['d', 'e']) await handle(store, id)
  expect((await store.begin('a', { leaseMs })).kind).toBe('done')
  expect((await store.begin('b', { leaseMs })).kind).toBe('started')
  expect((await store.begin('working', { leaseMs })).kind).toBe('busy')
  if (working.kind !== 'started') throw new Error('not started')
  await store.complete(working.token, 'handled')
})

test('counts attempts of abandoned messages apart from the marks, so that an outage does not make it forget what is done', async () => {
  const store = memoryDedupeStore({ maxEntries: 3, runtime: virtualRuntime() })
  for (const id of ['a', 'b', 'c']) await handle(store, id)
  for (let i = 0; i < 100; i++) {
    const begun = await store.begin(`failing-${i}`, { leaseMs })
    if (begun.kind === 'started') await store.abandon(begun.token, 1)
  }
  for (const id of ['a', 'b', 'c']) expect((await store.begin(id, { leaseMs })).kind).toBe('done')
})

test('is not moved by a wall clock that jumps: neither leases nor marks live longer or shorter', async () => {
  const runtime = virtualRuntime()
  const store = memoryDedupeStore({ ttlMs: 10_000, runtime })
  await handle(store, 'done')
  await store.begin('busy', { leaseMs })
  runtime.clock.jumpWallClock(86_400_000)
  expect((await store.begin('done', { leaseMs })).kind).toBe('done')
  expect((await store.begin('busy', { leaseMs })).kind).toBe('busy')
  runtime.clock.jumpWallClock(-2 * 86_400_000)
  await runtime.advance(10_001)
  expect((await store.begin('done', { leaseMs })).kind).toBe('started')
})

test('forgets what was done in the first moment of a clock too', async () => {
  let now = 0
  const clock = { ...virtualRuntime().clock, monotonic: () => now }
  const store = memoryDedupeStore({ ttlMs: 10_000, runtime: { clock } })
  await handle(store, 'a')
  now = 10_001
  expect((await store.begin('a', { leaseMs })).kind).toBe('started')
})

test('sets no timer of its own, so that a virtual clock owns all its time', async () => {
  const runtime = virtualRuntime()
  const store = memoryDedupeStore({ runtime })
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  await handle(store, 'a')
  await store.begin('a', { leaseMs })
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout')).toHaveLength(timers)
  expect(runtime.clock.pending).toBe(0)
})

test('lets go of leases that nobody ended, once a mark of that time would be forgotten too', async () => {
  const runtime = virtualRuntime()
  const store = memoryDedupeStore({ ttlMs: 10_000, runtime })
  const forgotten = await store.begin('forgotten', { leaseMs })
  await runtime.advance(11_000)
  for (let i = 0; i < 1_100; i++) await store.begin(`other-${i}`, { leaseMs })
  if (forgotten.kind !== 'started') throw new Error('not started')
  expect(() => store.complete(forgotten.token, 'handled')).toThrow(
    expect.objectContaining({ code: 'HOLDFAST_LEASE_LOST' }),
  )
})

test('answers at once, without a promise, so that recognising a duplicate costs no more than looking', () => {
  const store = memoryDedupeStore({ runtime: virtualRuntime() })
  const begun = store.begin('a', { leaseMs })
  expect(begun).toMatchObject({ kind: 'started' })
  const { token } = begun as Extract<BeginResult, { kind: 'started' }>
  expect(store.renew(token, leaseMs)).toBeUndefined()
  expect(store.complete(token, 'handled')).toBeUndefined()
  expect(store.begin('a', { leaseMs })).toEqual({ kind: 'done', outcome: 'handled' })
})

test('refuses options that do not fit, all at once', () => {
  expect(() => memoryDedupeStore({ maxEntries: 0, ttlMs: 1.5 })).toThrow(/maxEntries[\s\S]*ttlMs/)
})

test('two messages never share an id, whatever their parts hold', () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '"', '","', '[', '\\', ':', '\ud800', '\u0000'),
  )
  const parts = fc.record({ groupId: part, handler: part, messageId: part })
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const same = a.groupId === b.groupId && a.handler === b.handler && a.messageId === b.messageId
      expect(dedupeId(a) === dedupeId(b)).toBe(same)
      expect(dedupeId(a).isWellFormed()).toBe(true)
      expect(
        dedupeId(a)
          .split('')
          .filter((unit) => unit < ' '),
      ).toEqual([])
    }),
    { numRuns: 1_000 },
  )
  expect(dedupeId({ groupId: 'a', handler: 'b","c', messageId: 'd' })).not.toBe(
    dedupeId({ groupId: 'a', handler: 'b', messageId: 'c","d' }),
  )
})

/** What a store should do, said the slow way: it keeps every begin there ever was, and looks through all of them. */
class Oracle {
  readonly begins: Array<{
    id: string
    until: number
    attempt: number
    ended: 'no' | 'abandoned' | DedupeOutcome
    endedAt: number
  }> = []
  readonly ttlMs: number
  constructor(ttlMs: number) {
    this.ttlMs = ttlMs
  }

  of(id: string) {
    return this.begins.filter((each) => each.id === id)
  }

  /** Of one id only the latest begin can complete, so the last completed one made the mark. */
  mark(id: string, now: number) {
    const last = this.of(id).findLast(({ ended }) => ended === 'handled' || ended === 'parked')
    return last !== undefined && now <= last.endedAt + this.ttlMs ? last : undefined
  }

  begin(id: string, lease: number, replay: boolean, now: number): string {
    const latest = this.mark(id, now)
    if (latest !== undefined && !replay) return `done ${latest.ended}`
    const last = this.of(id).at(-1)
    if (last?.ended === 'no' && now < last.until) return `busy for ${last.until - now}`
    const sinceDone = this.of(id).slice(
      this.of(id).findLastIndex(({ ended }) => ended !== 'no' && ended !== 'abandoned') + 1,
    )
    const before = sinceDone.at(-1)
    const attempt = 1 + (before?.attempt ?? 0)
    this.begins.push({ id, until: now + lease, attempt, ended: 'no', endedAt: 0 })
    return `started ${attempt}`
  }

  holds(index: number): boolean {
    const begin = this.begins[index]!
    return begin.ended === 'no' && this.of(begin.id).at(-1) === begin
  }

  complete(index: number, outcome: DedupeOutcome, now: number): string {
    const begin = this.begins[index]!
    if (this.mark(begin.id, now) === begin) return 'done so' // its own completion again
    if (!this.holds(index)) return 'HOLDFAST_LEASE_LOST'
    begin.ended = outcome
    begin.endedAt = now
    return 'done so'
  }

  /** What it leaves behind is as good as a begin with the number of attempts that are used up. */
  abandon(index: number, failedAttempts: number | undefined): string {
    if (!this.holds(index)) return 'done so'
    const begin = this.begins[index]!
    begin.ended = 'abandoned'
    begin.attempt = failedAttempts ?? begin.attempt - 1
    return 'done so'
  }

  renew(index: number, until: number): string {
    if (!this.holds(index)) return 'HOLDFAST_LEASE_LOST'
    this.begins[index]!.until = until
    return 'done so'
  }
}

test('does what the naive oracle does, in any order of begins, completions, abandons, renewals and waits', async () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('begin' as const),
        id: fc.constantFrom('a', 'b'),
        lease: fc.integer({ min: 1, max: 40 }),
        replay: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('complete' as const),
        which: fc.nat(),
        outcome: fc.constantFrom<DedupeOutcome>('handled', 'parked'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('abandon' as const),
        which: fc.nat(),
        failed: fc.option(fc.nat(5), { nil: undefined }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('renew' as const),
        which: fc.nat(),
        lease: fc.integer({ min: 1, max: 40 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 30 }) }) },
  )
  const answer = async (call: () => Promise<void> | void): Promise<string> => {
    try {
      await call()
      return 'done so'
    } catch (error) {
      return (error as HoldfastError).code
    }
  }

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const ttlMs = 5_000 // longer than the steps together: what an attempt count is worth after its time is not promised
      let now = 1_000
      const clock = { ...virtualRuntime().clock, now: () => now, monotonic: () => now }
      const store = memoryDedupeStore({ maxEntries: 100, ttlMs, runtime: { clock } })
      const oracle = new Oracle(ttlMs)
      const tokens: string[] = []
      const answers: string[] = []
      const expected: string[] = []
      for (const each of steps) {
        if (each.do === 'wait') {
          now += each.ms
          continue
        }
        if (each.do === 'begin') {
          const begun = await store.begin(each.id, { leaseMs: each.lease, replay: each.replay })
          if (begun.kind === 'started') tokens.push(begun.token)
          answers.push(inWords(begun, now))
          expected.push(oracle.begin(each.id, each.lease, each.replay, now))
          continue
        }
        if (tokens.length === 0) continue
        const index = each.which % tokens.length
        const token = tokens[index]!
        if (each.do === 'complete') {
          answers.push(await answer(() => store.complete(token, each.outcome)))
          expected.push(oracle.complete(index, each.outcome, now))
        } else if (each.do === 'abandon') {
          answers.push(await answer(() => store.abandon(token, each.failed)))
          expected.push(oracle.abandon(index, each.failed))
        } else {
          answers.push(await answer(() => store.renew(token, each.lease)))
          expected.push(oracle.renew(index, now + each.lease))
        }
      }
      expect(answers).toEqual(expected)
      expect(new Set(tokens).size).toBe(tokens.length)
    }),
    { numRuns: 500 },
  )
})

function inWords(begun: BeginResult, now: number): string {
  if (begun.kind === 'started') return `started ${begun.attempt}`
  return begun.kind === 'done' ? `done ${begun.outcome}` : `busy for ${begun.untilMs - now}`
}

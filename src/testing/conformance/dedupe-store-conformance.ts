import assert from 'node:assert/strict'
import type { ErrorCode } from '../../errors/index.ts'
import type { BeginResult, DedupeStore, LeaseToken } from '../../idempotency/index.ts'
import { dedupeId } from '../../idempotency/index.ts'
import { assertRejects } from './assertions.ts'
import type { TestRunner } from './harness.ts'

/** What one test of the suite works with. */
export interface DedupeStoreWorld {
  readonly store: DedupeStore
  /** The same store as another process sees it; absent for stores of one process. */
  readonly otherStore?: DedupeStore
  /** Lets so much time pass for the store: a virtual clock moves, a real one is waited for. */
  readonly tick: (ms: number) => Promise<void>
  /** The wall clock of this process. */
  readonly now: () => number
  /** Makes the wall clock of this process jump, as a time server does, and no time pass. @defaultValue a real clock: it stays as it is */
  readonly jumpWallClock?: (byMs: number) => void
  close(): Promise<void>
}

/** What a store hands to the suite. */
export interface DedupeStoreConformanceOptions extends TestRunner {
  /** Heads the tests. */
  readonly name: string
  create(): Promise<DedupeStoreWorld>
  /** How long the store of {@link DedupeStoreConformanceOptions.create} remembers what is done, in milliseconds: 20 leases or more. */
  readonly ttlMs: number
  /**
   * The lease that the tests take, in milliseconds. Tests wait for up to twice as long.
   *
   * @defaultValue `1_000`
   */
  readonly leaseMs?: number
}

interface Case {
  readonly promise: string
  readonly hold: (world: DedupeStoreWorld, leaseMs: number, ttlMs: number) => Promise<void>
}

const id = dedupeId({ groupId: 'inventory', handler: 'reserve', messageId: 'order-1' })
const other = dedupeId({ groupId: 'inventory', handler: 'reserve', messageId: 'order-2' })

async function started(beginning: Promise<BeginResult> | BeginResult, attempt: number): Promise<LeaseToken> {
  const result = await beginning
  assert.equal(result.kind, 'started')
  assert.ok(result.kind === 'started')
  assert.equal(result.attempt, attempt)
  return result.token
}

/** Holds a store to its refusal, whether it throws at once or rejects. */
async function assertRefused(call: () => unknown, code: ErrorCode): Promise<void> {
  await assertRejects(new Promise((resolve) => resolve(call())), code)
}

const cases: readonly Case[] = [
  {
    promise: 'starts a message that it has not seen, as the first attempt',
    async hold({ store }, leaseMs) {
      await started(store.begin(id, { leaseMs }), 1)
    },
  },
  {
    promise: 'is busy while somebody works on the message, and says until when, so that nobody acknowledges it',
    async hold({ store, otherStore = store, now }, leaseMs) {
      const before = now()
      await started(store.begin(id, { leaseMs }), 1)
      for (const each of [store, otherStore]) {
        const result = await each.begin(id, { leaseMs })
        assert.ok(result.kind === 'busy')
        assert.ok(result.untilMs > before && result.untilMs <= now() + leaseMs, 'untilMs lies within the lease')
      }
    },
  },
  {
    promise: 'lets only one of many begin at the same moment',
    async hold({ store, otherStore = store }, leaseMs) {
      const results = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => (i % 2 ? store : otherStore).begin(id, { leaseMs })),
      )
      assert.deepEqual(results.map(({ kind }) => kind).toSorted(), [...Array<string>(19).fill('busy'), 'started'])
    },
  },
  {
    promise: 'keeps messages apart',
    async hold({ store }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs }), 1)
      await started(store.begin(other, { leaseMs }), 1)
      await store.complete(token, 'handled')
      assert.equal((await store.begin(other, { leaseMs })).kind, 'busy')
    },
  },
  {
    promise: 'takes any text as an id, and gives no two the same place',
    async hold({ store }, leaseMs) {
      const messageIds = [
        '',
        ' ',
        'é',
        'e\u0301',
        'a\u0000b',
        'a:b',
        '1:a',
        '"',
        "'; drop table x",
        '__proto__',
        '\ud800',
        '𝕏',
        'x'.repeat(2_000),
        'order',
        'Order',
        'order ',
        'order\t',
        ...['a', 'b'].map((end) => 'x'.repeat(20_000) + end),
      ]
      for (const messageId of messageIds)
        await started(store.begin(dedupeId({ groupId: 'g', handler: 'h', messageId }), { leaseMs }), 1)
    },
  },
  {
    promise: 'knows a completed message as done, with its outcome',
    async hold({ store, otherStore = store }, leaseMs) {
      await store.complete(await started(store.begin(id, { leaseMs }), 1), 'handled')
      await store.complete(await started(store.begin(other, { leaseMs }), 1), 'parked')
      for (const each of [store, otherStore]) {
        assert.deepEqual(await each.begin(id, { leaseMs }), { kind: 'done', outcome: 'handled' })
        assert.deepEqual(await each.begin(other, { leaseMs }), { kind: 'done', outcome: 'parked' })
      }
    },
  },
  {
    promise: 'gives an abandoned message out again at once, without counting a begin that was only interrupted',
    async hold({ store, otherStore = store }, leaseMs) {
      await store.abandon(await started(store.begin(id, { leaseMs }), 1))
      await store.abandon(await started(otherStore.begin(id, { leaseMs }), 1))
      await started(store.begin(id, { leaseMs }), 1)
    },
  },
  {
    promise: 'counts the attempts that the holder of an abandoned message saw fail',
    async hold({ store, otherStore = store }, leaseMs) {
      await store.abandon(await started(store.begin(id, { leaseMs }), 1), 2)
      await store.abandon(await started(otherStore.begin(id, { leaseMs }), 3))
      await store.abandon(await started(store.begin(id, { leaseMs }), 3), 0)
      await started(store.begin(id, { leaseMs }), 1)
    },
  },
  {
    promise:
      'gives a message out again when its lease has run out, as the next attempt, so that a killer of processes is counted',
    async hold({ store, tick }, leaseMs) {
      await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs)
      await started(store.begin(id, { leaseMs }), 2)
      await tick(leaseMs)
      await started(store.begin(id, { leaseMs }), 3)
    },
  },
  {
    promise: 'lets only one of many take over a lease that has run out',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs)
      const results = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => (i % 2 ? store : otherStore).begin(id, { leaseMs })),
      )
      assert.deepEqual(results.map(({ kind }) => kind).toSorted(), [...Array<string>(19).fill('busy'), 'started'])
    },
  },
  {
    promise: 'adds a lease that ran out to the attempts that were seen to fail',
    async hold({ store, tick }, leaseMs) {
      await store.abandon(await started(store.begin(id, { leaseMs }), 1), 2)
      await started(store.begin(id, { leaseMs }), 3)
      await tick(leaseMs)
      await started(store.begin(id, { leaseMs }), 4)
    },
  },
  {
    promise: 'proves each begin by a token of its own, so that an older holder can be told from a newer one',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      const tokens = [await started(store.begin(id, { leaseMs }), 1), await started(store.begin(other, { leaseMs }), 1)]
      await store.abandon(tokens[0]!)
      tokens.push(await started(otherStore.begin(id, { leaseMs }), 1))
      await tick(leaseMs)
      tokens.push(await started(store.begin(id, { leaseMs }), 2))
      await store.complete(tokens.at(-1)!, 'handled')
      tokens.push(await started(store.begin(id, { leaseMs, replay: true }), 1))
      assert.equal(new Set(tokens).size, tokens.length)
    },
  },
  {
    promise: 'marks by the holder alone when an older one completes side by side with it',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      const slow = await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs)
      const quick = await started(otherStore.begin(id, { leaseMs }), 2)
      const ends = await Promise.allSettled([
        (async () => store.complete(slow, 'handled'))(),
        (async () => otherStore.complete(quick, 'parked'))(),
        (async () => store.complete(slow, 'handled'))(),
      ])
      assert.deepEqual(
        ends.map(({ status }) => status),
        ['rejected', 'fulfilled', 'rejected'],
      )
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'parked' })
    },
  },
  {
    promise: 'refuses the completion of one whose message was begun again since, and marks nothing',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      const slow = await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs)
      const quick = await started(otherStore.begin(id, { leaseMs }), 2)
      await assertRefused(() => store.complete(slow, 'handled'), 'HOLDFAST_LEASE_LOST')
      assert.equal((await store.begin(id, { leaseMs })).kind, 'busy')
      await otherStore.complete(quick, 'parked')
      await assertRefused(() => store.complete(slow, 'handled'), 'HOLDFAST_LEASE_LOST')
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'parked' })
    },
  },
  {
    promise: 'takes a completion after the lease ran out, as long as nobody began the message again',
    async hold({ store, tick }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs }), 1)
      await tick(2 * leaseMs)
      await store.complete(token, 'handled')
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'handled' })
    },
  },
  {
    promise: 'takes the same completion twice, since its first answer can be lost',
    async hold({ store }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs }), 1)
      await store.complete(token, 'handled')
      await store.complete(token, 'handled')
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'handled' })
    },
  },
  {
    promise: 'refuses the completion of one that abandoned',
    async hold({ store }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs }), 1)
      await store.abandon(token)
      await assertRefused(() => store.complete(token, 'handled'), 'HOLDFAST_LEASE_LOST')
      await started(store.begin(id, { leaseMs }), 1)
    },
  },
  {
    promise: 'lets nobody abandon another’s lease, or a mark',
    async hold({ store, tick }, leaseMs) {
      const slow = await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs)
      const quick = await started(store.begin(id, { leaseMs }), 2)
      await store.abandon(slow)
      assert.equal((await store.begin(id, { leaseMs })).kind, 'busy')
      await store.complete(quick, 'handled')
      await store.abandon(quick)
      await store.abandon(quick)
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'handled' })
    },
  },
  {
    promise: 'keeps a renewed lease for as long as it says, from the renewal on',
    async hold({ store, tick }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs / 2)
      await store.renew(token, leaseMs)
      await tick(leaseMs / 2)
      assert.equal((await store.begin(id, { leaseMs })).kind, 'busy')
      await tick(leaseMs / 2)
      await started(store.begin(id, { leaseMs }), 2)
    },
  },
  {
    promise: 'makes a lease as short as its renewal says, so that a holder can let go early',
    async hold({ store, tick }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs: 10 * leaseMs }), 1)
      await store.renew(token, leaseMs)
      await tick(leaseMs)
      await started(store.begin(id, { leaseMs }), 2)
    },
  },
  {
    promise: 'keeps leases and marks for as long as they last when the wall clock jumps, back or forth',
    async hold({ store, jumpWallClock = () => {}, tick }, leaseMs, ttlMs) {
      await store.complete(await started(store.begin(other, { leaseMs }), 1), 'handled')
      await started(store.begin(id, { leaseMs }), 1)
      jumpWallClock(2 * ttlMs)
      assert.equal((await store.begin(id, { leaseMs })).kind, 'busy')
      assert.equal((await store.begin(other, { leaseMs })).kind, 'done')
      jumpWallClock(-4 * ttlMs)
      await tick(leaseMs)
      await started(store.begin(id, { leaseMs }), 2)
    },
  },
  {
    promise: 'takes a lease that ran out back when it is renewed before anybody else began',
    async hold({ store, tick }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs)
      await store.renew(token, leaseMs)
      assert.equal((await store.begin(id, { leaseMs })).kind, 'busy')
      await store.complete(token, 'handled')
    },
  },
  {
    promise: 'refuses to renew a lease that passed to another, was abandoned, or was completed',
    async hold({ store, tick }, leaseMs) {
      const passed = await started(store.begin(id, { leaseMs }), 1)
      await tick(leaseMs)
      const token = await started(store.begin(id, { leaseMs }), 2)
      await assertRefused(() => store.renew(passed, leaseMs), 'HOLDFAST_LEASE_LOST')
      await store.complete(token, 'handled')
      await assertRefused(() => store.renew(token, leaseMs), 'HOLDFAST_LEASE_LOST')
      const abandoned = await started(store.begin(other, { leaseMs }), 1)
      await store.abandon(abandoned)
      await assertRefused(() => store.renew(abandoned, leaseMs), 'HOLDFAST_LEASE_LOST')
    },
  },
  {
    promise: 'keeps a mark when the lease that made it would have run out: the two have separate lifetimes',
    async hold({ store, tick }, leaseMs) {
      await store.complete(await started(store.begin(id, { leaseMs }), 1), 'handled')
      await tick(2 * leaseMs)
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'handled' })
    },
  },
  {
    promise: 'begins what is done when it is replayed, as a first attempt, while others still see it as done',
    async hold({ store, otherStore = store }, leaseMs) {
      await store.abandon(await started(store.begin(id, { leaseMs }), 1), 1)
      await store.complete(await started(store.begin(id, { leaseMs }), 2), 'parked')
      const replayed = await started(store.begin(id, { leaseMs, replay: true }), 1)
      assert.equal((await otherStore.begin(id, { leaseMs, replay: true })).kind, 'busy')
      assert.deepEqual(await otherStore.begin(id, { leaseMs }), { kind: 'done', outcome: 'parked' })
      await store.complete(replayed, 'handled')
      assert.deepEqual(await otherStore.begin(id, { leaseMs }), { kind: 'done', outcome: 'handled' })
    },
  },
  {
    promise: 'keeps the old mark, and counts attempts, when a replay is abandoned or its lease runs out',
    async hold({ store, tick }, leaseMs) {
      await store.complete(await started(store.begin(id, { leaseMs }), 1), 'parked')
      await store.abandon(await started(store.begin(id, { leaseMs, replay: true }), 1), 1)
      await started(store.begin(id, { leaseMs, replay: true }), 2)
      await tick(leaseMs)
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'parked' })
      await started(store.begin(id, { leaseMs, replay: true }), 3)
    },
  },
  {
    promise: 'replays what is not done like any other message',
    async hold({ store }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs, replay: true }), 1)
      assert.equal((await store.begin(id, { leaseMs })).kind, 'busy')
      await store.complete(token, 'handled')
    },
  },
  {
    promise: 'forgets what is done after its time, and begins it anew',
    async hold({ store, tick }, leaseMs, ttlMs) {
      await store.complete(await started(store.begin(id, { leaseMs }), 1), 'handled')
      await tick(ttlMs / 2)
      assert.equal((await store.begin(id, { leaseMs })).kind, 'done')
      await tick(ttlMs / 2 + leaseMs)
      await started(store.begin(id, { leaseMs }), 1)
    },
  },
  {
    promise: 'refuses a lease without a length',
    async hold({ store }, leaseMs) {
      const token = await started(store.begin(id, { leaseMs }), 1)
      for (const unfit of [0, -1, 0.5, NaN, Infinity, 2 ** 31]) {
        await assertRefused(() => store.begin(other, { leaseMs: unfit }), 'HOLDFAST_CONFIG_INVALID')
        await assertRefused(() => store.renew(token, unfit), 'HOLDFAST_CONFIG_INVALID')
      }
      await started(store.begin(other, { leaseMs: 2 ** 31 - 1 }), 1) // the longest there is
    },
  },
]

/** Registers the tests that a {@link DedupeStore} must pass, each a promise of the port. */
export function dedupeStoreConformance(options: DedupeStoreConformanceOptions): void {
  const { leaseMs = 1_000, ttlMs } = options
  options.describe(options.name, () => {
    for (const { promise, hold } of cases) {
      options.test(promise, async () => {
        const world = await options.create()
        try {
          await hold(world, leaseMs, ttlMs)
        } finally {
          await world.close()
        }
      })
    }
  })
}

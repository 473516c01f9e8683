import assert from 'node:assert/strict'
import { dedupeId } from '../../../idempotency/index.ts'
import type { DedupeStoreCase } from './dedupe-store-case.ts'
import { assertRefused, id, other, started } from './dedupe-store-case.ts'

/** Who may begin a message, and how messages are told apart. */
export const beginning: readonly DedupeStoreCase[] = [
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

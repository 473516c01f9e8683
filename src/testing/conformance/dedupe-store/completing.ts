import assert from 'node:assert/strict'
import type { DedupeStoreCase } from './dedupe-store-case.ts'
import { assertRefused, id, other, started } from './dedupe-store-case.ts'

/** What is done, for whom, and for how long. */
export const completing: readonly DedupeStoreCase[] = [
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
    promise: 'keeps a mark when the lease that made it would have run out: the two have separate lifetimes',
    async hold({ store, tick }, leaseMs) {
      await store.complete(await started(store.begin(id, { leaseMs }), 1), 'handled')
      await tick(2 * leaseMs)
      assert.deepEqual(await store.begin(id, { leaseMs }), { kind: 'done', outcome: 'handled' })
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
]

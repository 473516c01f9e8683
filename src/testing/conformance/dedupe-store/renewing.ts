import assert from 'node:assert/strict'
import type { DedupeStoreCase } from './dedupe-store-case.ts'
import { assertRefused, id, other, started } from './dedupe-store-case.ts'

/** How long a lease lasts. */
export const renewing: readonly DedupeStoreCase[] = [
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
]

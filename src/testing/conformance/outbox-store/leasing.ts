import assert from 'node:assert/strict'
import type { BucketLease } from '../../../outbox/index.ts'
import { BUCKETS } from '../../../outbox/index.ts'
import type { OutboxStoreCase } from './outbox-store-case.ts'

const LONG = 600_000
const all = Array.from({ length: BUCKETS }, (_, bucket) => bucket)
const bucketsOf = (leases: readonly BucketLease[]): number[] => leases.map(({ bucket }) => bucket)

/** Who may send the rows of which bucket. */
export const leasing: readonly OutboxStoreCase[] = [
  {
    promise: 'gives all buckets to a worker that is alone, and renews them as they are',
    async hold({ store, otherStore = store }) {
      const first = await store.relay.lease('one', LONG)
      assert.equal(first.workers, 1)
      assert.deepEqual(bucketsOf(first.leases), all)
      assert.deepEqual(await otherStore.relay.lease('one', LONG), first)
    },
  },
  {
    promise: 'gives nobody what another one holds, and each its share once it is given back',
    async hold({ store, otherStore = store }) {
      const one = await store.relay.lease('one', LONG)
      const early = await otherStore.relay.lease('two', LONG)
      assert.deepEqual(early, { workers: 2, leases: [] })
      const again = await store.relay.lease('one', LONG)
      assert.deepEqual(again, { workers: 2, leases: one.leases }) // it gives back none by itself
      await store.relay.release(again.leases.slice(BUCKETS / 2))
      const two = await otherStore.relay.lease('two', LONG)
      assert.deepEqual(bucketsOf(two.leases), all.slice(BUCKETS / 2))
      assert.deepEqual((await store.relay.lease('one', LONG)).leases, one.leases.slice(0, BUCKETS / 2))
      const third = await store.relay.lease('three', LONG)
      assert.deepEqual(third, { workers: 3, leases: [] })
      await otherStore.relay.release(two.leases)
      assert.equal((await store.relay.lease('three', LONG)).leases.length, Math.ceil(BUCKETS / 3))
    },
  },
  {
    promise: 'gives no bucket to two of many who ask at the same moment',
    async hold({ store, otherStore = store }) {
      for (let round = 0; round < 3; round++) {
        const names = Array.from({ length: 8 }, (_, i) => `worker ${i}`)
        const rounds = await Promise.all(names.map((name, i) => (i % 2 ? store : otherStore).relay.lease(name, LONG)))
        const held = rounds.flatMap(({ leases }) => bucketsOf(leases))
        assert.equal(new Set(held).size, held.length)
        for (const name of names) await store.relay.leave(name)
      }
    },
  },
  {
    promise:
      'takes the buckets of who has left at once, and of who is silent when its lease has run out, each with a greater epoch',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      const one = await store.relay.lease('one', LONG)
      await store.relay.leave('one')
      const two = await store.relay.lease('two', leaseMs)
      assert.equal(two.workers, 1)
      assert.deepEqual(bucketsOf(two.leases), all)
      assertGrown(one.leases, two.leases)
      await tick(leaseMs + 100)
      const three = await otherStore.relay.lease('three', LONG)
      assert.equal(three.workers, 1)
      assert.deepEqual(bucketsOf(three.leases), all)
      assertGrown(two.leases, three.leases)
      assert.deepEqual((await store.relay.lease('two', LONG)).leases, [])
    },
  },
  {
    promise:
      'gives a worker back what it held until its lease ran out with a greater epoch, since others may have had it',
    async hold({ store, tick }, leaseMs) {
      const { leases } = await store.relay.lease('one', leaseMs)
      await tick(leaseMs + 100)
      const later = await store.relay.lease('one', leaseMs)
      assert.deepEqual(bucketsOf(later.leases), all)
      assertGrown(leases, later.leases)
    },
  },
  {
    promise: 'holds what is renewed for longer than one lease lasts',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      const { leases } = await store.relay.lease('one', leaseMs)
      for (let i = 0; i < 4; i++) {
        await tick(leaseMs / 2)
        assert.deepEqual((await store.relay.lease('one', leaseMs)).leases, leases)
        assert.deepEqual((await otherStore.relay.lease('two', leaseMs)).leases, [])
      }
    },
  },
  {
    promise: 'ends a lease of its own length, whatever the one before had',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      await store.relay.lease('one', LONG)
      await store.relay.lease('one', leaseMs)
      await tick(leaseMs + 100)
      assert.equal((await otherStore.relay.lease('two', leaseMs)).leases.length, BUCKETS)
    },
  },
  {
    promise: 'lets nobody give back what another one has taken since, as an answer that comes late would',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      const { leases } = await store.relay.lease('one', leaseMs)
      await tick(leaseMs + 100)
      const { leases: taken } = await otherStore.relay.lease('two', LONG)
      await store.relay.release(leases)
      await store.relay.leave('one')
      assert.deepEqual((await otherStore.relay.lease('two', LONG)).leases, taken)
      assert.deepEqual((await store.relay.lease('three', LONG)).leases, [])
      await store.relay.release([])
    },
  },
  {
    promise: 'gives back twice as once, and takes leave of who was never there',
    async hold({ store, otherStore = store }) {
      const { leases } = await store.relay.lease('one', LONG)
      await store.relay.release(leases)
      await store.relay.release(leases)
      await store.relay.leave('nobody')
      const two = await otherStore.relay.lease('two', LONG)
      assert.equal(two.leases.length, BUCKETS / 2) // of two who are alive
      await store.relay.leave('two')
      await store.relay.leave('two')
      assert.equal((await store.relay.lease('one', LONG)).leases.length, BUCKETS)
    },
  },
]

function assertGrown(before: readonly BucketLease[], now: readonly BucketLease[]): void {
  for (const { bucket, epoch } of before) {
    const later = now.find((each) => each.bucket === bucket)
    assert.ok(later !== undefined && later.epoch > epoch, `the epoch of bucket ${bucket} has grown`)
  }
}

import assert from 'node:assert/strict'
import type { DedupeStoreCase } from './dedupe-store-case.ts'
import { id, started } from './dedupe-store-case.ts'

/** What is given out again, and as which attempt. */
export const attempts: readonly DedupeStoreCase[] = [
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
]

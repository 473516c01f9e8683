import assert from 'node:assert/strict'
import type { DedupeStoreCase } from './dedupe-store-case.ts'
import { id, started } from './dedupe-store-case.ts'

/** What is done and is to be done again. */
export const replaying: readonly DedupeStoreCase[] = [
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
]

import assert from 'node:assert/strict'
import { BUCKETS } from '../../../outbox/index.ts'
import type { OutboxStoreCase } from './outbox-store-case.ts'
import {
  acknowledged,
  begin,
  bucketOf,
  commit,
  keysOfOneBucket,
  message,
  waiting,
  waitingIds,
} from './outbox-store-case.ts'

/** Row order is commit order, for each key. */
export const ordering: readonly OutboxStoreCase[] = [
  {
    promise: 'lets the second transaction of a key wait for the end of the first, so that its row has the greater id',
    async hold({ store, otherStore = store, untilWaiting }) {
      const [first, second] = [await begin(store), await begin(otherStore)]
      await first.insert(message('first'))
      let inserted = false
      const inserting = second.insert(message('second')).then(() => (inserted = true))
      await untilWaiting(1)
      assert.equal(inserted, false)
      await first.commit()
      await inserting
      await second.commit()
      assert.deepEqual(await waitingIds(store), ['first', 'second'])
    },
  },
  {
    promise: 'lets it wait for a first that is rolled back, too, and for no longer than that',
    async hold({ store, otherStore = store, untilWaiting }) {
      const [first, second] = [await begin(store), await begin(otherStore)]
      await first.insert(message('first'))
      const inserting = second.insert(message('second'))
      await untilWaiting(1)
      await first.rollback()
      await inserting
      await second.commit()
      assert.deepEqual(await waitingIds(store), ['second'])
    },
  },
  {
    promise: 'holds up no other key, of the same bucket or another, nor what has none',
    async hold({ store, otherStore = store }) {
      const [key, neighbour] = keysOfOneBucket(2)
      const open = await begin(store)
      await open.insert(message('open', key), message('none', null))
      await commit(otherStore, message('neighbour', neighbour), message('b', 'b'), message('none too', null))
      await commit(otherStore, message('same key', key, { topic: 'another.topic' }))
      assert.deepEqual(await waitingIds(store), ['neighbour', 'b', 'none too', 'same key'])
      await open.commit()
    },
  },
  {
    promise: 'shows a row that is committed late where its id belongs, below rows that were there before it',
    async hold({ store, otherStore = store }) {
      const [late, early] = keysOfOneBucket(2)
      const bucket = bucketOf(late!)
      const open = await begin(store)
      await open.insert(message('late', late))
      await commit(otherStore, message('early', early))
      const [found] = await store.relay.fetch([{ bucket, after: 0n }], { maxRows: 10, maxBytes: 1_000 })
      assert.equal(found!.id, 'early')
      await store.relay.sent(acknowledged([found!]))
      await open.commit()
      const above = await store.relay.fetch([{ bucket, after: found!.rowId }], { maxRows: 10, maxBytes: 1_000 })
      assert.deepEqual(above, [])
      const below = await store.relay.fetch([{ bucket, after: 0n, upTo: found!.rowId }], {
        maxRows: 10,
        maxBytes: 1_000,
      })
      assert.deepEqual(below.map(({ id }) => id), ['late']) // prettier-ignore
    },
  },
  {
    promise: 'keeps the order of each key among many transactions at once, and lets none of them fail',
    async hold({ store, otherStore = store }) {
      const keys = ['a', 'b', 'c', 'd']
      const committed: string[] = []
      const write = async (client: typeof store, i: number): Promise<void> => {
        const own = keys.filter((_, at) => (i + at) % 3 > 0)
        if (i % 2) own.reverse() // in whichever order they are given, those of one call make no deadlock
        await client.transact(async (transaction) => {
          await client.insert(transaction, own.map((key) => message(`${key} ${i}`, key))) // prettier-ignore
          committed.push(...own.map((key) => `${key} ${i}`)) // all who come after it wait for its commit
        })
      }
      await Promise.all(Array.from({ length: 24 }, (_, i) => write(i % 3 ? store : otherStore, i)))
      const ids = await waitingIds(store)
      assert.equal(ids.length, committed.length)
      for (const key of keys) {
        const of = (all: readonly string[]): string[] => all.filter((id) => id.startsWith(key))
        assert.deepEqual(of(ids), of(committed))
      }
    },
  },
  {
    promise: 'keeps it where one call has more than a thousand keys',
    async hold({ store, otherStore = store, untilWaiting }) {
      const many = Array.from({ length: 1_001 }, (_, i) => message(`many ${i}`, `k${i}`))
      const [single, large, last] = [await begin(store), await begin(otherStore), await begin(store)]
      await single.insert(message('single', 'k7'))
      const inserting = large.insert(...many)
      await untilWaiting(1)
      await single.commit()
      await inserting
      const later = last.insert(message('last', 'k7'))
      await untilWaiting(1)
      await large.commit()
      await later
      await last.commit()
      const rows = await waiting(store)
      const ofKey = rows.filter(({ key }) => Buffer.from(key!).toString() === 'k7').map(({ id }) => id)
      assert.deepEqual(ofKey, ['single', 'many 7', 'last'])
    },
  },
  {
    promise: 'names the writers that are open, and no others, beside the last id that was drawn',
    async hold({ store, otherStore = store }) {
      await commit(store, message('before'))
      const [one, two, idle] = [await begin(store), await begin(otherStore), await begin(store)]
      await one.insert(message('one', 'a'))
      await two.insert(message('two', 'b'))
      const both = await otherStore.relay.writers()
      assert.equal(new Set(both.writers).size, 2)
      await one.commit()
      const left = await store.relay.writers()
      assert.equal(left.writers.length, 1)
      assert.ok(both.writers.includes(left.writers[0]!), 'a writer has one name')
      await two.rollback()
      const none = await store.relay.writers()
      assert.deepEqual(none.writers, [])
      await idle.commit()
      const last = (await waiting(store)).at(-1)!.rowId
      assert.ok(none.lastRowId >= last && both.lastRowId >= last, 'no row has a greater id than the last one')
      const { rowId } = await (async () => {
        await commit(store, message('after'))
        return (await waiting(store)).at(-1)!
      })()
      assert.ok(rowId > none.lastRowId, 'what comes later has a greater id')
      assert.deepEqual((await store.relay.writers()).writers, [])
    },
  },
  {
    promise: 'names a writer again and again until it ends, whatever it does meanwhile',
    async hold({ store, savepoint }) {
      const open = await begin(store)
      await open.insert(message('one'))
      const { writers } = await store.relay.writers()
      assert.equal(writers.length, 1)
      await savepoint(open.transaction, (within) => store.insert(within, [message('two', 'b')]))
      assert.deepEqual((await store.relay.writers()).writers, writers)
      await open.commit()
    },
  },
  {
    promise: 'has all rows up to the last id once the writers that it named have ended',
    async hold({ store, otherStore = store }) {
      const ranges = (upTo: bigint) => Array.from({ length: BUCKETS }, (_, bucket) => ({ bucket, after: 0n, upTo }))
      const settled: { readonly upTo: bigint; readonly ids: readonly string[] }[] = []
      let writing = true
      const watch = async (): Promise<void> => {
        while (writing) {
          const { lastRowId, writers } = await otherStore.relay.writers()
          for (let open = writers; open.length > 0;) {
            const now = await otherStore.relay.writers()
            open = open.filter((name) => now.writers.includes(name))
          }
          const rows = await otherStore.relay.fetch(ranges(lastRowId), { maxRows: 100_000, maxBytes: 1e9 })
          settled.push({ upTo: lastRowId, ids: rows.map(({ id }) => id).toSorted() })
        }
      }
      const write = async (i: number): Promise<void> => {
        for (let n = 0; n < 8; n++) await commit(store, message(`${i} ${n} x`, `k${i}`), message(`${i} ${n} y`, null))
      }
      const watching = watch()
      await Promise.all(Array.from({ length: 6 }, (_, i) => write(i)))
      writing = false
      await watching
      const all = await waiting(store)
      assert.equal(all.length, 96)
      for (const { upTo, ids } of settled)
        assert.deepEqual(ids, all.filter(({ rowId }) => rowId <= upTo).map(({ id }) => id).toSorted()) // prettier-ignore
    },
  },
]

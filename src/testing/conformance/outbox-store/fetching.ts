import assert from 'node:assert/strict'
import type { OutboxStoreCase } from './outbox-store-case.ts'
import { acknowledged, bucketOf, commit, leaseOf, message, waiting, waitingIds } from './outbox-store-case.ts'

const ENOUGH = { maxRows: 1_000, maxBytes: 1_000_000 }

/** Which rows come, and how many. */
export const fetching: readonly OutboxStoreCase[] = [
  {
    promise: 'fetches the rows of a range by row id: above the one, up to the other, and of no other bucket',
    async hold({ store }) {
      const bucket = bucketOf('a')
      const other = Array.from({ length: 100 }, (_, i) => `k${i}`).find((key) => bucketOf(key) !== bucket)!
      for (let i = 0; i < 6; i++) await commit(store, message(`m${i}`, 'a'), message(`o${i}`, other))
      const ids = (await waiting(store)).filter(({ id }) => id.startsWith('m')).map(({ rowId }) => rowId)
      const fetched = async (after: bigint, upTo?: bigint): Promise<string[]> =>
        (await store.relay.fetch([{ bucket, after, ...(upTo !== undefined && { upTo }) }], ENOUGH)).map(({ id }) => id)
      assert.deepEqual(await fetched(0n), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'])
      assert.deepEqual(await fetched(ids[1]!), ['m2', 'm3', 'm4', 'm5'])
      assert.deepEqual(await fetched(ids[1]!, ids[3]!), ['m2', 'm3'])
      assert.deepEqual(await fetched(ids[5]!), [])
      assert.deepEqual(await fetched(ids[3]!, ids[3]!), [])
    },
  },
  {
    promise: 'says of each row where it lies',
    async hold({ store }) {
      await commit(store, message('m1', 'a'), message('m2', 'b'))
      const rows = await waiting(store)
      assert.deepEqual(rows.map(({ id, bucket }) => [id, bucket]), [['m1', bucketOf('a')], ['m2', bucketOf('b')]]) // prettier-ignore
    },
  },
  {
    promise: 'fetches of many ranges in their order, and as many rows as were asked for at most',
    async hold({ store }) {
      const keys = ['a', 'b', 'c']
      assert.equal(new Set(keys.map(bucketOf)).size, 3)
      for (let i = 0; i < 3; i++) await commit(store, ...keys.map((key) => message(`${key}${i}`, key)))
      const fetched = async (order: readonly string[], maxRows: number): Promise<string[]> => {
        const ranges = order.map((key) => ({ bucket: bucketOf(key), after: 0n }))
        return (await store.relay.fetch(ranges, { ...ENOUGH, maxRows })).map(({ id }) => id)
      }
      assert.deepEqual(await fetched(['c', 'a', 'b'], 5), ['c0', 'c1', 'c2', 'a0', 'a1'])
      assert.deepEqual(await fetched(['b', 'c', 'a'], 3), ['b0', 'b1', 'b2'])
      assert.deepEqual(await fetched(['a', 'b', 'c'], 9), ['a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'c0', 'c1', 'c2'])
      assert.deepEqual(await store.relay.fetch([], ENOUGH), [])
    },
  },
  {
    promise: 'fetches about as many bytes as were asked for, and a larger row by itself',
    async hold({ store }) {
      const sized = (id: string, bytes: number) => message(id, 'a', { value: Buffer.alloc(bytes), headers: [] })
      await commit(
        store,
        sized('m0', 1_000),
        sized('m1', 1_000),
        sized('m2', 50_000),
        sized('m3', 1_000),
        sized('m4', 1_000),
      )
      const rows = await waiting(store)
      const fetched = async (after: number): Promise<string[]> => {
        const range = { bucket: bucketOf('a'), after: after < 0 ? 0n : rows[after]!.rowId }
        return (await store.relay.fetch([range], { maxRows: 100, maxBytes: 5_000 })).map(({ id }) => id)
      }
      assert.deepEqual(await fetched(-1), ['m0', 'm1']) // and not m3, which comes after what did not fit
      assert.deepEqual(await fetched(1), ['m2'])
      assert.deepEqual(await fetched(2), ['m3', 'm4'])
    },
  },
  {
    promise: 'leaves out none of a key between two that are visible, while others write, mark and fetch',
    async hold({ store, otherStore = store }) {
      const committed: string[] = []
      const seen: string[] = []
      let after = 0n
      const read = async (): Promise<number> => {
        const rows = await otherStore.relay.fetch([{ bucket: bucketOf('a'), after }], { ...ENOUGH, maxRows: 7 })
        for (const { id, rowId } of rows) {
          assert.ok(rowId > after, 'rows come by row id')
          after = rowId
          seen.push(id)
        }
        await otherStore.relay.sent(acknowledged(rows.slice(0, 3)))
        return rows.length
      }
      const write = async (by: string): Promise<void> => {
        for (let n = 0; n < 20; n++) {
          const ids = [`${by} ${n} x`, `${by} ${n} y`]
          await store.transact(async (transaction) => {
            await store.insert(transaction, ids.map((id) => message(id))) // prettier-ignore
            committed.push(...ids) // whoever has the key next comes after the commit
          })
        }
      }
      let writing = true
      const reading = (async () => {
        while (writing) await read()
        while ((await read()) > 0);
      })()
      await Promise.all(['one', 'two', 'three'].map(write))
      writing = false
      await reading
      assert.deepEqual(seen, committed)
    },
  },
  {
    promise: 'marks what Kafka has: it does not come again, and marking it again changes nothing',
    async hold({ store, otherStore = store }) {
      await commit(store, message('m1'), message('m2'), message('m3', 'b'))
      const rows = await waiting(store)
      await store.relay.sent(acknowledged([rows[0]!, rows[2]!]))
      await otherStore.relay.sent(acknowledged([rows[0]!]))
      assert.deepEqual(await waitingIds(store), ['m2'])
      await Promise.all([store, otherStore].map((each) => each.relay.sent(acknowledged(rows))))
      await store.relay.sent([])
      assert.deepEqual(await waitingIds(store), [])
    },
  },
  {
    promise: 'marks nothing for a worker whose bucket another one has taken since, and for one that has taken it again',
    async hold({ store, otherStore = store }) {
      await commit(store, message('m1'), message('m2'))
      const [first, second] = await waiting(store)
      const bucket = first!.bucket
      const old = await leaseOf(store.relay, bucket, 60_000, 'old')
      const fence = { worker: 'old', epochs: new Map([[bucket, old.epoch]]) }
      await store.relay.leave('old')
      const again = await leaseOf(store.relay, bucket, 60_000, 'old')
      assert.ok(again.epoch > old.epoch)
      await store.relay.sent(acknowledged([first!]), fence) // nobody else has had it in between
      assert.deepEqual(await waitingIds(store), ['m2'])
      await store.relay.leave('old')
      const taken = await leaseOf(otherStore.relay, bucket, 60_000, 'new')
      await store.relay.sent(acknowledged([second!]), { worker: 'old', epochs: new Map([[bucket, again.epoch]]) })
      assert.deepEqual(await waitingIds(store), ['m2'])
      await otherStore.relay.sent(acknowledged([second!]), { worker: 'new', epochs: new Map([[bucket, taken.epoch]]) })
      assert.deepEqual(await waitingIds(store), [])
    },
  },
]

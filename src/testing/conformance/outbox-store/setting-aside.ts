import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { OutboxStatistics } from '../../../outbox/index.ts'
import type { OutboxStoreCase } from './outbox-store-case.ts'
import {
  acknowledged,
  bucketOf,
  commit,
  keysOfOneBucket,
  leaseOf,
  message,
  park,
  placeOf,
  reason,
  rowOf,
  TOPIC,
  waiting,
  waitingIds,
} from './outbox-store-case.ts'

const LONG = 600_000

/** Rows that Kafka has refused, what waits behind them, and what an operator does about it. */
export const settingAside: readonly OutboxStoreCase[] = [
  {
    promise: 'takes a parked row, and those behind it, out of what is fetched, and no other',
    async hold({ store, otherStore = store }) {
      const [key, neighbour] = keysOfOneBucket(2)
      await commit(store, message('a0', key), message('n0', neighbour), message('a1', key), message('b0', 'b'))
      await park(store, LONG, 'a0', 'a1')
      assert.deepEqual(await waitingIds(otherStore), ['n0', 'b0'])
      const [listed, ...more] = await otherStore.operations.list({ limit: 10 })
      assert.deepEqual(more, [])
      const { rowId, id, topic, key: bytes, bytes: size, code, reason: why, behind } = listed!
      assert.deepEqual({ id, topic, code, why, behind }, { id: 'a0', topic: TOPIC, code: reason.code, why: reason.message, behind: 1 }) // prettier-ignore
      assert.deepEqual(Buffer.from(bytes!), Buffer.from(key!))
      assert.ok(rowId > 0n && size > 0)
      assert.ok(listed!.enqueuedAt <= listed!.parkedAt)
    },
  },
  {
    promise: 'names the keys that wait behind a parked row, of the buckets that were asked for',
    async hold({ store }) {
      await commit(store, message('a0', 'a'), message('b0', 'b'), message('n0', null), message('c0', 'c'))
      assert.notEqual(bucketOf('a'), bucketOf('b'))
      assert.deepEqual(await store.relay.parkedKeys([bucketOf('a'), bucketOf('b')]), [])
      const none = (await rowOf(store, 'n0')).bucket
      for (const id of ['a0', 'b0', 'n0']) await park(store, LONG, id)
      const parked = async (...buckets: readonly number[]): Promise<unknown[]> =>
        (await store.relay.parkedKeys(buckets)).map(({ bucket, topic, key }) => [bucket, topic, Buffer.from(key).toString()]) // prettier-ignore
      assert.deepEqual(await parked(bucketOf('a')), [[bucketOf('a'), TOPIC, 'a']])
      assert.equal((await parked(...new Set([bucketOf('a'), bucketOf('b'), bucketOf('c'), none]))).length, 2) // a row without a key holds nobody up
      assert.deepEqual(await parked(), [])
    },
  },
  {
    promise: 'sets nothing aside under a lease that has passed to somebody else',
    async hold({ store, otherStore = store, tick }, leaseMs) {
      await commit(store, message('a0'), message('a1'))
      const [first, second] = [await rowOf(store, 'a0'), await rowOf(store, 'a1')]
      const aside = { parked: [{ ...placeOf(first), reason }], behind: [placeOf(second)] }
      const old = await leaseOf(store.relay, first.bucket, leaseMs)
      await tick(leaseMs + 100)
      const now = await leaseOf(otherStore.relay, first.bucket, LONG, 'two')
      assert.equal(await store.relay.setAside(old, aside), false)
      assert.deepEqual(await waitingIds(store), ['a0', 'a1'])
      assert.deepEqual(await store.relay.parkedKeys([first.bucket]), [])
      assert.equal(await otherStore.relay.setAside(now, aside), true)
      assert.deepEqual(await waitingIds(store), [])
    },
  },
  {
    promise: 'sets nothing aside for whoever has not heard that an operator has put rows back',
    async hold({ store, otherStore = store }) {
      await commit(store, message('a0'), message('a1'))
      const old = await park(store, LONG, 'a0')
      assert.deepEqual(await otherStore.operations.retry({ kind: 'all' }), { parked: 1, released: 0 })
      const row = await rowOf(store, 'a1')
      assert.equal(await store.relay.setAside(old, { parked: [{ ...placeOf(row), reason }], behind: [] }), false)
      const now = await leaseOf(store.relay, row.bucket, LONG)
      assert.equal(now.epoch, old.epoch)
      assert.ok(now.generation > old.generation, 'the generation has grown')
      assert.deepEqual(await waitingIds(store), ['a0', 'a1'])
    },
  },
  {
    promise: 'sets aside again what it has set aside, since an answer may be lost, and passes over what is gone',
    async hold({ store }) {
      await commit(store, message('a0'), message('a1'), message('a2'))
      const [first, second, third] = await waiting(store)
      const lease = await leaseOf(store.relay, first!.bucket, LONG)
      await store.relay.sent(acknowledged([third!]))
      const aside = { parked: [{ ...placeOf(first!), reason }], behind: [placeOf(second!), placeOf(third!)] }
      assert.equal(await store.relay.setAside(lease, aside), true)
      assert.equal(await store.relay.setAside(lease, aside), true)
      assert.deepEqual(await store.operations.retry({ kind: 'all' }), { parked: 1, released: 1 })
      assert.deepEqual(await waitingIds(store), ['a0', 'a1'])
    },
  },
  {
    promise: 'leaves no row behind one that is not parked: nobody would ever put it back',
    async hold({ store }) {
      await commit(store, message('a0'), message('a1'), message('a2'))
      const [first, second, third] = await waiting(store)
      const lease = await leaseOf(store.relay, first!.bucket, LONG)
      await store.relay.sent(acknowledged([first!])) // by a worker that had sent it before, and has heard of it late
      const aside = { parked: [{ ...placeOf(first!), reason }], behind: [placeOf(second!)] }
      assert.equal(await store.relay.setAside(lease, aside), false)
      assert.equal(await store.relay.setAside(lease, { parked: [], behind: [placeOf(third!)] }), false)
      assert.deepEqual(await waitingIds(store), ['a1', 'a2'])
    },
  },
  {
    promise: 'marks no row that is set aside: it waits for an operator, who would not find it',
    async hold({ store }) {
      await commit(store, message('a0'), message('a1'))
      const rows = await waiting(store)
      await park(store, LONG, 'a0', 'a1')
      await store.relay.sent(acknowledged([rows[0]!]))
      assert.deepEqual((await store.operations.list({ limit: 10 })).map(({ id, behind }) => [id, behind]), [['a0', 1]]) // prettier-ignore
    },
  },
  {
    promise: 'puts a parked row back before those behind it, and before what came meanwhile',
    async hold({ store, otherStore = store }) {
      await commit(store, message('a0'), message('a1'), message('a2'))
      await park(store, LONG, 'a0', 'a1', 'a2')
      await commit(store, message('a3'))
      assert.deepEqual(await otherStore.operations.retry({ kind: 'message', id: 'a0' }), { parked: 1, released: 2 })
      assert.deepEqual(await waitingIds(store), ['a0', 'a1', 'a2', 'a3'])
      assert.deepEqual(await store.relay.parkedKeys([bucketOf('a')]), [])
      assert.deepEqual(await store.operations.list({ limit: 10 }), [])
      assert.deepEqual(await otherStore.operations.retry({ kind: 'message', id: 'a0' }), { parked: 0, released: 0 })
    },
  },
  {
    promise: 'gives a parked row up for good, and puts back what waited behind it',
    async hold({ store, otherStore = store }) {
      await commit(store, message('a0'), message('a1'))
      const old = await park(store, LONG, 'a0', 'a1')
      assert.deepEqual(await otherStore.operations.discard({ kind: 'message', id: 'a0' }), { parked: 1, released: 1 })
      assert.deepEqual(await waitingIds(store), ['a1'])
      assert.ok((await leaseOf(store.relay, old.bucket, LONG)).generation > old.generation)
      assert.deepEqual(await otherStore.operations.discard({ kind: 'all' }), { parked: 0, released: 0 })
      assert.deepEqual(await waitingIds(store), ['a1'])
    },
  },
  {
    promise: 'does to the rows of a topic, or of all, what it does to one, and to no others',
    async hold({ store }) {
      const other = { topic: 'other.topic' }
      await commit(store, message('a0', 'a'), message('b0', 'b'), message('x0', 'a', other), message('n0', null, other))
      for (const id of ['a0', 'b0', 'x0', 'n0']) await park(store, LONG, id)
      const listed = async (topic?: string, limit = 10): Promise<string[]> =>
        (await store.operations.list({ limit, ...(topic !== undefined && { topic }) })).map(({ id }) => id)
      assert.deepEqual(await listed(), ['a0', 'b0', 'x0', 'n0'])
      assert.deepEqual(await listed(undefined, 3), ['a0', 'b0', 'x0'])
      assert.deepEqual(await listed('other.topic'), ['x0', 'n0'])
      assert.deepEqual(await store.operations.retry({ kind: 'topic', topic: 'other.topic' }), {
        parked: 2,
        released: 0,
      })
      assert.deepEqual(await waitingIds(store), ['x0', 'n0'])
      assert.deepEqual(await store.operations.discard({ kind: 'all' }), { parked: 2, released: 0 })
      assert.deepEqual(await listed(), [])
      assert.deepEqual(await waitingIds(store), ['x0', 'n0'])
    },
  },
  {
    promise: 'keeps what is behind another parked row of its key waiting for that one',
    async hold({ store }) {
      await commit(store, ...['a0', 'a1', 'a2', 'a3'].map((id) => message(id)))
      await park(store, LONG, 'a0', 'a1')
      await park(store, LONG, 'a2', 'a3')
      assert.deepEqual(await store.operations.retry({ kind: 'message', id: 'a2' }), { parked: 1, released: 0 })
      assert.deepEqual(await waitingIds(store), [])
      assert.equal((await store.relay.parkedKeys([bucketOf('a')])).length, 1)
      assert.deepEqual(await store.operations.discard({ kind: 'message', id: 'a0' }), { parked: 1, released: 3 })
      assert.deepEqual(await waitingIds(store), ['a1', 'a2', 'a3'])
    },
  },
  {
    promise: 'puts nothing back of a key that an operation does not choose, though its row is in the same bucket',
    async hold({ store }) {
      const [key, neighbour] = keysOfOneBucket(2)
      await commit(store, message('k0', key), message('k1', key), message('n0', neighbour), message('n1', neighbour))
      await park(store, LONG, 'k0', 'k1')
      await park(store, LONG, 'n0', 'n1')
      assert.deepEqual(await store.operations.retry({ kind: 'message', id: 'n0' }), { parked: 1, released: 1 })
      assert.deepEqual(await waitingIds(store), ['n0', 'n1'])
      const parked = await store.relay.parkedKeys([bucketOf(key!)])
      assert.deepEqual(parked.map((each) => Buffer.from(each.key).toString()), [key]) // prettier-ignore
    },
  },
  {
    promise: 'keeps every byte of a row that is set aside and put back',
    async hold({ store }) {
      const headers = [['h', null], ['h', Buffer.from([0, 255])], ['', Buffer.alloc(0)]] as const // prettier-ignore
      await commit(store, message('a0', 'a', { value: null, headers, partition: 3 }))
      const before = await waiting(store)
      await park(store, LONG, 'a0')
      await store.operations.retry({ kind: 'all' })
      assert.deepEqual(await waiting(store), before)
    },
  },
  {
    promise: 'counts what waits, up to a limit, since when, and what is set aside',
    async hold({ store, tick }) {
      // What it says may be some seconds old.
      const counts = async (countUpTo: number, expected: Partial<OutboxStatistics>): Promise<void> => {
        const names = Object.keys(expected) as (keyof OutboxStatistics)[]
        const seen = async (): Promise<unknown> => {
          const statistics = await store.relay.statistics(countUpTo)
          return Object.fromEntries(names.map((name) => [name, statistics[name]]))
        }
        for (let i = 0; i < 100; i++) {
          if (isDeepStrictEqual(await seen(), expected)) return
          await tick(100)
        }
        assert.deepEqual(await seen(), expected)
      }
      await counts(10, { waiting: 0, more: false, oldestAgeMs: null, parked: 0, behind: 0 })
      await commit(store, message('a0'), message('a1'), message('a2'), message('b0', 'b'))
      await tick(50)
      await commit(store, message('b1', 'b'))
      await counts(10, { waiting: 5, more: false, parked: 0, behind: 0 })
      const { oldestAgeMs } = await store.relay.statistics(10)
      assert.ok(oldestAgeMs !== null && oldestAgeMs >= 40 && oldestAgeMs < 60_000)
      await counts(5, { waiting: 5, more: false })
      await counts(3, { waiting: 3, more: true })
      await park(store, LONG, 'a0', 'a1', 'a2')
      await counts(10, { waiting: 2, parked: 1, behind: 2 })
      await store.relay.sent(acknowledged(await waiting(store)))
      await counts(10, { waiting: 0, more: false, oldestAgeMs: null, parked: 1, behind: 2 })
    },
  },
]

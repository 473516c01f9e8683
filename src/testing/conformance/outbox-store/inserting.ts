import assert from 'node:assert/strict'
import { assertRejects } from '../assertions.ts'
import type { OutboxStoreCase } from './outbox-store-case.ts'
import { begin, commit, message, waiting, waitingIds } from './outbox-store-case.ts'

/** What is stored, and when others see it. */
export const inserting: readonly OutboxStoreCase[] = [
  {
    promise: 'shows a row with the commit of its transaction, and not before',
    async hold({ store, otherStore = store }) {
      const open = await begin(store)
      await open.insert(message('m1'))
      assert.deepEqual(await waitingIds(otherStore), [])
      await open.commit()
      assert.deepEqual(await waitingIds(otherStore), ['m1'])
    },
  },
  {
    promise: 'leaves nothing of a transaction that is rolled back',
    async hold({ store }) {
      const open = await begin(store)
      await open.insert(message('m1'), message('m2', 'b'))
      await open.rollback()
      assert.deepEqual(await waitingIds(store), [])
      await commit(store, message('m3'))
      assert.deepEqual(await waitingIds(store), ['m3'])
    },
  },
  {
    promise: 'rejects with what the work of a transaction rejects with, and answers with what it resolves to',
    async hold({ store }) {
      const error = new Error('out of stock')
      const failing = store.transact(async (transaction) => {
        await store.insert(transaction, [message('m1')])
        throw error
      })
      await assert.rejects(failing, (thrown) => thrown === error)
      assert.equal(await store.transact(async () => 'answer'), 'answer')
      assert.deepEqual(await waitingIds(store), [])
    },
  },
  {
    promise: 'takes back what a savepoint takes back, and keeps what is around it',
    async hold({ store, savepoint }) {
      const error = new Error('no')
      await store.transact(async (transaction) => {
        await store.insert(transaction, [message('before')])
        await savepoint(transaction, (within) => store.insert(within, [message('kept', 'b')]))
        const failing = savepoint(transaction, async (within) => {
          await store.insert(within, [message('gone', 'c')])
          throw error
        })
        await assert.rejects(failing, (thrown) => thrown === error)
        await store.insert(transaction, [message('after')])
      })
      assert.deepEqual(await waitingIds(store), ['before', 'kept', 'after'])
    },
  },
  {
    promise: 'stores the messages of one call, and of the calls after it, in the order given',
    async hold({ store }) {
      const ids = Array.from({ length: 30 }, (_, i) => `m${i}`)
      const messages = ids.map((id, i) => message(id, `k${(i * 7) % 5}`))
      await store.transact(async (transaction) => {
        await store.insert(transaction, messages.slice(0, 20))
        await store.insert(transaction, messages.slice(20))
      })
      assert.deepEqual(await waitingIds(store), ids)
    },
  },
  {
    promise: 'gives no two rows one id, and each a greater one than those of its key before it',
    async hold({ store, otherStore = store }) {
      for (let i = 0; i < 6; i++) {
        await commit(i % 2 ? store : otherStore, message(`a${i}`, 'a'), message(`b${i}`, 'b'), message(`n${i}`, null))
      }
      const rows = await waiting(store)
      assert.equal(new Set(rows.map(({ rowId }) => rowId)).size, 18)
      for (const key of ['a', 'b']) {
        const ids = rows.filter(({ id }) => id.startsWith(key)).map(({ id }) => id)
        assert.deepEqual(
          ids,
          Array.from({ length: 6 }, (_, i) => `${key}${i}`),
        )
      }
    },
  },
  {
    promise: 'keeps every byte: of key, value and headers, with null, empty and absent told apart',
    async hold({ store }) {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      const messages = [
        message('bytes', null, { key: bytes, value: bytes, headers: [['h', bytes]] }),
        message('tombstone', 'a', { value: null }),
        message('empty', 'a', { value: Buffer.alloc(0) }),
        message('empty key', null, { key: Buffer.alloc(0) }),
        message('no key', null, { partition: 7 }),
        message('partition 0', 'a', { partition: 0 }),
        message('no headers', 'a', { headers: [] }),
        message('headers', 'a', {
          headers: [
            ['twice', Buffer.from('1')],
            ['__proto__', Buffer.from('2')],
            ['twice', Buffer.from('3')],
            ['null', null],
            ['empty', Buffer.alloc(0)],
            ['é 𝕏 "\'\\', Buffer.from('4')],
            ['constructor', Buffer.alloc(300, 'x')],
          ],
        }),
        message('late', 'a', { timestamp: 8_640_000_000_000_000n }),
        message('early', 'a', { timestamp: 0n }),
        message('é"\'\\{},\n null', 'a', { topic: 'a.topic_of-another_name' }),
        message('large', 'a', { value: Buffer.alloc(2_000_000, bytes) }),
      ]
      await commit(store, ...messages)
      const rows = await waiting(store)
      assert.equal(rows.length, messages.length)
      for (const [i, row] of rows.entries()) assert.deepEqual(plain(row), plain(messages[i]!))
    },
  },
  {
    promise: 'keeps the bytes that it was given, whatever the caller does to them afterwards',
    async hold({ store }) {
      const value = Buffer.from('before')
      const open = await begin(store)
      await open.insert(message('m1', 'a', { value }))
      value.fill('x')
      await open.commit()
      assert.equal(Buffer.from((await waiting(store))[0]!.value!).toString(), 'before')
    },
  },
  {
    promise: 'stores nothing when there is nothing',
    async hold({ store }) {
      await store.transact((transaction) => store.insert(transaction, []))
      assert.deepEqual(await waitingIds(store), [])
    },
  },
  {
    promise: 'stores thousands of messages of as many keys in one call',
    async hold({ store }) {
      const ids = Array.from({ length: 3_000 }, (_, i) => `m${i}`)
      await commit(store, ...ids.map((id, i) => message(id, `k${i % 1_500}`)))
      assert.deepEqual(await waitingIds(store), ids)
    },
  },
  {
    promise: 'refuses a pool, since its row would be committed by itself',
    async hold({ store, pool }) {
      for (const none of [pool, {}, 'transaction']) {
        await assertRejects(Promise.resolve().then(() => store.insert(none, [message('m1')])), 'HOLDFAST_CONFIG_INVALID') // prettier-ignore
      }
      assert.deepEqual(await waitingIds(store), [])
    },
  },
  {
    promise: 'refuses a transaction that has ended, committed or rolled back',
    async hold({ store }) {
      const [committed, rolledBack] = [await begin(store), await begin(store)]
      await committed.insert(message('m1'))
      await committed.commit()
      await rolledBack.rollback()
      for (const { insert } of [committed, rolledBack])
        await assertRejects(
          Promise.resolve().then(() => insert(message('m2'))),
          'HOLDFAST_CONFIG_INVALID',
        )
      assert.deepEqual(await waitingIds(store), ['m1'])
    },
  },
  {
    promise: 'is fit to be used',
    async hold({ store, otherStore = store }) {
      await store.check()
      await otherStore.check()
    },
  },
]

/** Of a message, what has to come back, as it compares. */
function plain({
  id,
  topic,
  key,
  value,
  headers,
  timestamp,
  partition,
}: Parameters<typeof message>[2] & object): unknown {
  const hex = (bytes: Uint8Array | null | undefined): string | null =>
    bytes ? Buffer.from(bytes).toString('hex') : null
  return {
    id,
    topic,
    key: hex(key),
    value: hex(value),
    headers: headers?.map(([name, each]) => [name, hex(each)]),
    timestamp,
    partition,
  }
}

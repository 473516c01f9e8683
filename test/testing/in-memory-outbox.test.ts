import { expect, test } from 'vitest'
import { z } from 'zod'
import type { OutboxMessage } from '../../src/outbox/index.ts'
import { BUCKETS, createOutbox, keyPlace } from '../../src/outbox/index.ts'
import type { InMemoryOutbox, InMemoryOutboxOptions, InMemoryTransaction } from '../../src/testing/index.ts'
import { failpoints, inMemoryOutbox, virtualRuntime } from '../../src/testing/index.ts'
import { defineTopic } from '../../src/topic/index.ts'

const LIMITS = { maxRows: 1_000, maxBytes: 1_000_000 }

const message = (id: string, key: string | null = 'a', value = 'v'): OutboxMessage => ({
  id,
  topic: 'orders',
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
  headers: [],
  timestamp: 0n,
})
const bucketOf = (key: string): number => keyPlace('orders', Buffer.from(key)).bucket
const make = (options: InMemoryOutboxOptions = {}): InMemoryOutbox =>
  inMemoryOutbox({ runtime: virtualRuntime(), ...options })
const fetched = async (store: InMemoryOutbox, key = 'a', after = 0n): Promise<string[]> =>
  (await store.relay.fetch([{ bucket: bucketOf(key), after }], LIMITS)).map(({ id }) => id)
const all = (store: InMemoryOutbox): string[] => store.rows().map(({ id, state }) => `${id} ${state}`)

/** Has it come to its end once all that is ready has run? */
async function isSettled(work: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => void (settled = true)
  work.then(settle, settle)
  await virtualRuntime().advance(0)
  return settled
}

test('a user’s test sees what was enqueued, and nothing of what was rolled back', async () => {
  const orders = defineTopic({ name: 'orders', schema: z.object({ id: z.string() }), key: (order) => order.id })
  const store = inMemoryOutbox()
  const outbox = createOutbox({ store, source: 'test' })
  await store.transact((tx) => outbox.enqueue(tx, orders, { id: 'o-1' }))
  const failing = store.transact(async (tx) => {
    await outbox.enqueue(tx, orders, { id: 'o-2' })
    throw new Error('out of stock')
  })
  await expect(failing).rejects.toThrow('out of stock')
  expect(store.rows()).toMatchObject([{ topic: 'orders', value: Buffer.from('{"id":"o-1"}'), state: 'waiting' }])
})

test('row ids are drawn at the insert and never given back, so those who commit later may have smaller ones', async () => {
  const store = make()
  const [slow, quick, gone] = [await store.begin(), await store.begin(), await store.begin()]
  await store.insert(slow, [message('slow', 'a')])
  await store.insert(gone, [message('gone', 'b')])
  await store.insert(quick, [message('quick', 'c')])
  await quick.commit()
  await gone.rollback()
  expect(store.rows().map(({ rowId }) => rowId)).toEqual([3n])
  await slow.commit()
  expect(store.rows().map(({ rowId }) => rowId)).toEqual([1n, 3n])
})

test('a key is locked to the end of its transaction, and those who wait have it in the order in which they came', async () => {
  const store = make()
  const transactions = [await store.begin(), await store.begin(), await store.begin()]
  const inserts = transactions.map((tx, i) => store.insert(tx, [message(`m${i}`)]))
  expect(await isSettled(inserts[0]!)).toBe(true)
  expect(await isSettled(inserts[1]!)).toBe(false)
  expect(store.waitingForLocks).toBe(2)
  await transactions[0]!.commit()
  await inserts[1]
  expect(await isSettled(inserts[2]!)).toBe(false)
  await transactions[1]!.rollback()
  await inserts[2]
  await transactions[2]!.commit()
  expect(store.rows().map(({ id, rowId }) => `${rowId} ${id}`)).toEqual(['1 m0', '3 m2'])
})

test('a transaction whose connection ends lets its locks go, and waits no more', async () => {
  const store = make()
  const [dying, other] = [store.client(), store.client()]
  const [holder, waiter, next] = [await dying.begin(), await dying.begin(), await other.begin()]
  await dying.insert(holder, [message('lost')])
  const waiting = dying.insert(waiter, [message('never')])
  const inserted = other.insert(next, [message('next')])
  expect(await isSettled(inserted)).toBe(false)
  dying.disconnect()
  await expect(waiting).rejects.toMatchObject({ code: '57P01' })
  await inserted
  await next.commit()
  await store.transact((tx) => store.insert(tx, [message('free')]))
  expect(all(store)).toEqual(['next waiting', 'free waiting'])
  await expect(dying.begin()).rejects.toMatchObject({ code: '57P01' })
})

test('a circle of waits ends with a deadlock for one of them, whose transaction has failed', async () => {
  const store = make()
  const [one, two] = [await store.begin(), await store.begin()]
  await store.insert(one, [message('one-a', 'a')])
  await store.insert(two, [message('two-b', 'b')])
  const waiting = store.insert(one, [message('one-b', 'b')])
  await expect(store.insert(two, [message('two-a', 'a')])).rejects.toMatchObject({ code: '40P01' })
  expect(two.state).toBe('failed')
  await expect(store.insert(two, [message('more', 'c')])).rejects.toMatchObject({ code: '25P02' })
  expect(await isSettled(waiting)).toBe(false) // it has failed, and holds its locks until it ends
  await expect(two.commit()).rejects.toMatchObject({ code: '25P02' })
  await waiting
  await one.commit()
  expect(all(store)).toEqual(['one-a waiting', 'one-b waiting'])
})

test('many keys of one insert, in whichever order they are given, make no deadlock', async () => {
  const store = make()
  const keys = ['a', 'b', 'c', 'd', 'e']
  const enqueue = (who: string, order: readonly string[]): Promise<void> =>
    store.transact((tx) => store.insert(tx, order.map((key) => message(`${who}-${key}`, key)))) // prettier-ignore
  await Promise.all([enqueue('one', keys), enqueue('two', keys.toReversed())])
  expect(store.rows()).toHaveLength(10)
})

test('more than a thousand keys at once hold up every single one, as single ones do them, and each other nobody', async () => {
  const store = make()
  const many = Array.from({ length: 1_001 }, (_, i) => message(`m${i}`, `k${i}`))
  const [single, another, large] = [await store.begin(), await store.begin(), await store.begin()]
  await store.insert(single, [message('single', 'x')])
  const inserting = store.insert(large, many)
  expect(await isSettled(inserting)).toBe(false)
  const later = store.insert(another, [message('later', 'x2')])
  await single.commit()
  await inserting
  await large.commit()
  await later
  await another.commit()
  expect(store.rows()).toHaveLength(1_003)
})

test('what a savepoint takes back is gone, with its locks; what it keeps shares the fate of the transaction', async () => {
  const store = make()
  const [tx, other] = [await store.begin(), await store.begin()]
  await store.insert(tx, [message('before', 'a')])
  const failing = tx.savepoint(async () => {
    await store.insert(tx, [message('within', 'b')])
    await tx.savepoint(() => store.insert(tx, [message('deeper', 'c')]))
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  await store.insert(other, [message('other', 'b'), message('other-c', 'c')])
  await tx.savepoint(() => store.insert(tx, [message('kept', 'd')]))
  const waits = store.insert(other, [message('late', 'd')])
  expect(await isSettled(waits)).toBe(false)
  await tx.commit()
  await waits
  await other.rollback()
  expect(all(store)).toEqual(['before waiting', 'kept waiting'])
})

test('a savepoint makes good a statement that has failed', async () => {
  const store = make()
  const [one, two] = [await store.begin(), await store.begin()]
  await store.insert(one, [message('one', 'a')])
  await store.insert(two, [message('two', 'b')])
  const waiting = store.insert(one, [message('one-b', 'b')])
  await expect(two.savepoint(() => store.insert(two, [message('two-a', 'a')]))).rejects.toMatchObject({ code: '40P01' })
  await two.commit()
  await waiting
  await one.commit()
  expect(all(store)).toEqual(['one waiting', 'two waiting', 'one-b waiting'])
})

test('what is no open transaction of this outbox is refused, and nothing is stored', async () => {
  const store = make()
  const ended = await store.begin()
  await ended.commit()
  const ofAnother = await make().begin()
  for (const given of [ended, ofAnother, store as unknown as InMemoryTransaction])
    await expect(store.insert(given, [message('m')])).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  await expect(ended.commit()).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  expect(store.rows()).toEqual([])
})

test('writers are those who may have drawn an id and have not ended', async () => {
  const store = make()
  const [writer, reader, undone] = [await store.begin(), await store.begin(), await store.begin()]
  await store.insert(writer, [message('m', 'a')])
  await expect(
    undone.savepoint(async () => {
      await store.insert(undone, [message('u', 'b')])
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  const { lastRowId, writers } = await store.relay.writers()
  expect(lastRowId).toBe(2n)
  expect(writers).toHaveLength(1)
  await writer.commit()
  expect(await store.relay.writers()).toEqual({ lastRowId: 2n, writers: [] })
  await reader.commit()
})

test('an id that is drawn, and whose row is not there yet, has its writer named', async () => {
  const points = failpoints()
  const store = make({ faults: { within: (call) => points.failpoint(call) } })
  const hold = points.holdAt('insert')
  const enqueued = store.transact((tx) => store.insert(tx, [message('m')]))
  await hold.reached
  expect(await store.relay.writers()).toMatchObject({ lastRowId: 1n, writers: [expect.any(String)] })
  hold.release()
  await enqueued
  expect(await store.relay.writers()).toEqual({ lastRowId: 1n, writers: [] })
})

test('dead rows lie there while a snapshot needs them, and scans pass them', async () => {
  const store = make()
  const snapshot = store.holdSnapshot()
  for (let i = 0; i < 10; i++) await store.transact((tx) => store.insert(tx, [message(`m${i}`)]))
  await store.relay.sent(store.rows().map((row) => ({ ...row, partition: 0, offset: 0n })))
  expect(store.deadRows).toBe(10)
  expect(await fetched(store)).toEqual([])
  expect(store.scanned).toBe(10)
  expect(await fetched(store, 'a', 8n)).toEqual([])
  expect(store.scanned).toBe(12)
  snapshot.end()
  expect(store.deadRows).toBe(0)
  await fetched(store)
  expect(store.scanned).toBe(12)
})

test('a transaction that has written keeps the dead as a snapshot does, one that has not does not', async () => {
  const store = make()
  await store.transact((tx) => store.insert(tx, [message('m')]))
  const [idle, writing] = [await store.begin(), await store.begin()]
  await store.relay.sent([{ ...store.rows()[0]!, partition: 0, offset: 0n }])
  expect(store.deadRows).toBe(0)
  await store.insert(writing, [message('w')])
  await store.transact((tx) => store.insert(tx, [message('n', 'b')]))
  await store.relay.sent([{ ...store.rows()[0]!, partition: 0, offset: 0n }])
  expect(store.deadRows).toBe(1)
  await writing.rollback()
  expect(store.deadRows).toBe(0)
  await idle.commit()
})

test('a call that fails on its way there has done nothing; one whose answer is lost has', async () => {
  let fail: 'before' | 'after' | null = null
  const faults = {
    before: () => (fail === 'before' ? Promise.reject(new Error('down')) : undefined),
    after: () => (fail === 'after' ? Promise.reject(new Error('down')) : undefined),
  }
  const store = make()
  await store.transact((tx) => store.insert(tx, [message('m')]))
  const broken = store.client(faults)
  const [row] = store.rows()
  fail = 'before'
  await expect(broken.relay.sent([{ ...row!, partition: 0, offset: 0n }])).rejects.toThrow('down')
  expect(store.rows()).toHaveLength(1)
  fail = 'after'
  await expect(broken.relay.sent([{ ...row!, partition: 0, offset: 0n }])).rejects.toThrow('down')
  expect(store.rows()).toHaveLength(0)
})

test('leases end by the database’s clock, which may differ from everybody’s', async () => {
  const runtime = virtualRuntime()
  const store = make({ runtime })
  expect((await store.relay.lease('one', 1_000)).leases).toHaveLength(BUCKETS)
  expect((await store.relay.lease('two', 1_000)).leases).toHaveLength(0)
  store.jumpClock(1_000)
  const { workers, leases } = await store.relay.lease('two', 1_000)
  expect(workers).toBe(1)
  expect(leases).toHaveLength(BUCKETS)
  expect(leases.every(({ epoch }) => epoch === 2n)).toBe(true)
})

test('without locks, a row that is committed late comes after a later one of its key', async () => {
  const store = make({ naive: { locks: false } })
  const [slow, quick] = [await store.begin(), await store.begin()]
  await store.insert(slow, [message('first')])
  await store.insert(quick, [message('second')])
  await quick.commit()
  expect(await fetched(store)).toEqual(['second'])
  await slow.commit()
  expect(await fetched(store)).toEqual(['first', 'second'])
})

test('with a stock of ids for each connection, a later row of a key has a smaller id', async () => {
  const store = make({ naive: { sequenceCache: 32 } })
  const [one, two] = [store.client(), store.client()]
  for (const [client, id] of [
    [one, 'v1'],
    [two, 'v2'],
    [one, 'v3'],
  ] as const)
    // prettier-ignore
    await client.transact((tx) => client.insert(tx, [message(id)]))
  expect(store.rows().map(({ id, rowId }) => `${rowId} ${id}`)).toEqual(['1 v1', '2 v3', '33 v2'])
})

test('tells of commits where it is asked to, and of nothing that was rolled back', async () => {
  expect(make().relay.listen).toBeUndefined()
  const store = make({ notify: true })
  let told = 0
  const listening = await store.client().relay.listen!(() => void told++)
  await store.transact((tx) => store.insert(tx, [message('m')]))
  expect(told).toBe(1)
  await (await store.begin()).rollback()
  expect(told).toBe(1)
  await listening.close()
  await store.transact((tx) => store.insert(tx, [message('n')]))
  expect(told).toBe(1)
})

test('tells what each commit has made visible, in the order of commits', async () => {
  const store = make()
  const told: string[] = []
  const end = store.onCommitted((rows) => told.push(rows.map(({ id, rowId }) => `${rowId} ${id}`).join(', ')))
  const [slow, quick] = [await store.begin(), await store.begin()]
  await store.insert(slow, [message('slow', 'a')])
  await store.insert(quick, [message('quick', 'b')])
  await quick.savepoint(() => store.insert(quick, [message('within', 'c')]))
  const takenBack = quick.savepoint(async () => {
    await store.insert(quick, [message('gone', 'd')])
    throw new Error('no')
  })
  await expect(takenBack).rejects.toThrow('no')
  await quick.commit()
  await slow.commit()
  end()
  await store.transact((tx) => store.insert(tx, [message('untold')]))
  expect(told).toEqual(['2 quick, 3 within', '1 slow'])
})

test('the bytes of a row are its own: what a caller does to its buffers afterwards changes nothing', async () => {
  const store = make()
  const value = Buffer.from('before')
  await store.transact((tx) => store.insert(tx, [{ ...message('m'), value }]))
  value.fill('x')
  expect(store.rows()[0]!.value).toEqual(Buffer.from('before'))
})

import { expect, test } from 'vitest'
import { z } from 'zod'
import { HoldfastError } from '../../src/errors/index.ts'
import type { Outbox, OutboxMessage, OutboxStore } from '../../src/outbox/index.ts'
import { createOutbox } from '../../src/outbox/index.ts'
import { failpoints, virtualRuntime } from '../../src/testing/index.ts'
import { defineTopic } from '../../src/topic/index.ts'

const orders = defineTopic({
  name: 'orders',
  schema: z.object({ id: z.string(), total: z.coerce.number() }),
  key: (event) => `${event.id}/${event.total.toFixed()}`,
})

interface Transaction {
  readonly rows: OutboxMessage[]
}

function setup(): { outbox: Outbox<Transaction>; transaction: Transaction; points: ReturnType<typeof failpoints> } {
  const points = failpoints()
  const outbox = createOutbox<Transaction>({
    store: { insert: async (transaction, rows) => void transaction.rows.push(...rows) } as OutboxStore<Transaction>,
    source: 'shop',
    runtime: virtualRuntime({ failpoint: points.failpoint }),
  })
  return { outbox, transaction: { rows: [] }, points }
}

test('stores the final bytes in the caller’s transaction: keyed by the output, the input encoded', async () => {
  const { outbox, transaction } = setup()
  const { id } = await outbox.enqueue(transaction, orders, { id: 'o-1', total: '7' }, { headers: { tenant: 'a' } })
  expect(transaction.rows).toEqual([
    {
      id,
      topic: 'orders',
      key: Buffer.from('o-1/7'),
      value: Buffer.from('{"id":"o-1","total":"7"}'),
      headers: [
        ['holdfast-id', Buffer.from(id)],
        ['holdfast-source', Buffer.from('shop')],
        ['holdfast-time', Buffer.from('1767225600000')],
        ['content-type', Buffer.from('application/json')],
        ['tenant', Buffer.from('a')],
      ],
      timestamp: 1_767_225_600_000n,
    },
  ])
})

test('stores nothing of a message that does not fit, and says why', async () => {
  const { outbox, transaction } = setup()
  const work = outbox.enqueue(transaction, orders, { id: 7, total: 1 } as never, { id: '' })
  await expect(work).rejects.toMatchObject({
    code: 'HOLDFAST_MESSAGE_INVALID',
    problems: [{ path: 'id' }, { path: '(id)' }],
  })
  expect(transaction.rows).toEqual([])
})

test('stores a tombstone as a key without a value', async () => {
  const { outbox, transaction } = setup()
  await outbox.enqueueTombstone(transaction, orders, 'o-1')
  expect(transaction.rows[0]).toMatchObject({ key: Buffer.from('o-1'), value: null })
})

test('a process that dies before the insert leaves nothing behind', async () => {
  const { outbox, transaction, points } = setup()
  points.throwAt('outbox:before-insert')
  await expect(outbox.enqueue(transaction, orders, { id: 'o-1', total: 1 })).rejects.toThrow('failpoint')
  expect(transaction.rows).toEqual([])
})

test('a process that dies before its commit leaves nothing behind, and one that dies after it everything: relays need no waking', async () => {
  const points = failpoints()
  const committed: OutboxMessage[] = []
  const outbox = createOutbox<Transaction>({
    store: {
      insert: async (transaction, rows) => void transaction.rows.push(...rows),
      async transact(work) {
        const transaction = { rows: [] }
        const result = await work(transaction)
        committed.push(...transaction.rows)
        return result
      },
    } as OutboxStore<Transaction>,
    source: 'shop',
    runtime: virtualRuntime({ failpoint: points.failpoint }),
  })
  let woken = 0
  outbox.onEnqueued(() => woken++)
  const place = (id: string): Promise<unknown> =>
    outbox.transaction((transaction) => outbox.enqueue(transaction, orders, { id, total: 1 }))
  points.throwAt('outbox:before-commit')
  await expect(place('o-1')).rejects.toThrow('failpoint')
  expect(committed).toEqual([])
  points.throwAt('outbox:committed')
  await expect(place('o-2')).rejects.toThrow('failpoint')
  expect(committed.map(({ key }) => String(key))).toEqual(['o-2/1'])
  expect(woken).toBe(2) // by each enqueue, and by no commit
})

test('refuses to work without a transaction, since the message would outlive a rollback', async () => {
  const { outbox } = setup()
  await expect(outbox.enqueue(undefined as never, orders, { id: 'o-1', total: 1 })).rejects.toMatchObject({
    code: 'HOLDFAST_CONFIG_INVALID',
  })
})

test('cannot be made without a store and a source', () => {
  try {
    createOutbox({ store: {}, source: '' } as never)
  } catch (error) {
    if (!HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID')) throw error
    expect(error.problems.map(({ path }) => path)).toEqual(['store', 'source'])
    return
  }
  throw new Error('was made')
})

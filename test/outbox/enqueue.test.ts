import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { HoldfastError } from '../../src/errors/index.ts'
import type { Outbox, OutboxMessage, OutboxStore } from '../../src/outbox/index.ts'
import { createOutbox } from '../../src/outbox/index.ts'
import type { SendDescription, Telemetry } from '../../src/telemetry/index.ts'
import { noTelemetry } from '../../src/telemetry/index.ts'
import { failpoints, virtualRuntime } from '../../src/testing/index.ts'
import { defineTopic } from '../../src/topic/index.ts'

const orders = defineTopic({
  name: 'orders',
  schema: z.object({ id: z.string(), total: z.coerce.number() }),
  key: (event) => `${event.id}/${event.total.toFixed()}`,
})

const ticks = defineTopic({ name: 'ticks', schema: z.number(), key: 'none' })

interface Transaction {
  readonly rows: OutboxMessage[]
}

function setup(telemetry?: Telemetry): {
  outbox: Outbox<Transaction>
  transaction: Transaction
  points: ReturnType<typeof failpoints>
} {
  const points = failpoints()
  const outbox = createOutbox<Transaction>({
    store: {
      insert: async (transaction, rows) => void transaction.rows.push(...rows),
      transact: (work) => work({ rows: [] }),
    } as OutboxStore<Transaction>,
    source: 'shop',
    ...(telemetry && { telemetry }),
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

test('stores many messages in the order given, those of several topics too', async () => {
  const { outbox, transaction } = setup()
  const enqueued = await outbox.enqueueMany(transaction, [
    { topic: orders, value: { id: 'o-1', total: 1 }, id: 'm-1' },
    { topic: ticks, value: 7 },
    { topic: orders, value: { id: 'o-2', total: '2' }, partition: 3, headers: { tenant: 'a' } },
  ])
  expect(transaction.rows.map(({ topic, key, partition }) => [topic, key?.toString(), partition])).toEqual([
    ['orders', 'o-1/1', undefined],
    ['ticks', undefined, undefined],
    ['orders', 'o-2/2', 3],
  ])
  expect(enqueued.map(({ id }) => id)).toEqual(transaction.rows.map(({ id }) => id))
  expect(enqueued[0]).toEqual({ id: 'm-1' })
  expect(await outbox.enqueueMany(transaction, [])).toEqual([])
})

test('stores none of many messages when one does not fit, and names each by index, topic and field', async () => {
  const { outbox, transaction } = setup()
  const slow = defineTopic({ name: 'slow', schema: z.string().refine(async (text) => text !== 'no'), key: 'none' })
  const all = [
    { topic: orders, value: { id: 7, total: 1 } },
    { topic: orders, value: { id: 'fits', total: 1 } },
    { topic: slow, value: 'no' },
    null,
    { topic: 'orders', value: 1 },
  ]
  await expect(outbox.enqueueMany(transaction, all as never)).rejects.toMatchObject({
    code: 'HOLDFAST_MESSAGE_INVALID',
    problems: [
      { path: '[0] orders: id' },
      { path: expect.stringMatching(/^\[2\] slow: /) },
      { path: '[3] (no topic): (message)' },
      { path: '[4] (no topic): (topic)' },
    ],
  })
  await expect(outbox.enqueueMany(transaction, {} as never)).rejects.toThrow('must be a list')
  await expect(outbox.enqueueMany(null as never, [])).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  expect(transaction.rows).toEqual([])
})

test('hands a message over before it answers: a commit that is called next stands behind it in the line of a client', () => {
  const { outbox, transaction } = setup()
  void outbox.enqueue(transaction, orders, { id: 'o-1', total: 1 })
  void outbox.enqueueMany(transaction, [{ topic: ticks, value: 1 }])
  void outbox.enqueueTombstone(transaction, orders, 'o-1')
  expect(transaction.rows).toHaveLength(3)
})

test('tells who listens of what is stored, and of the commit of a transaction of its own, until it is told to stop', async () => {
  const { outbox, transaction, points } = setup()
  let told = 0
  const listener = (): void => void told++
  const [stop, stopAlso] = [outbox.onEnqueued(listener), outbox.onEnqueued(listener)]
  await outbox.enqueue(transaction, orders, { id: 'o-1', total: 1 })
  expect(told).toBe(2)
  stop()
  expect(await outbox.transaction(async () => 'value')).toBe('value')
  expect(told).toBe(3)
  await expect(outbox.transaction(() => Promise.reject(new Error('rolled back')))).rejects.toThrow('rolled back')
  points.throwAt('outbox:before-insert')
  await expect(outbox.enqueue(transaction, orders, { id: 'o-1', total: 1 })).rejects.toThrow('failpoint')
  expect(told).toBe(3)
  stopAlso()
  await outbox.enqueueMany(transaction, [{ topic: ticks, value: 1 }])
  expect(told).toBe(3)
})

describe('telemetry', () => {
  const watching = (): { telemetry: Telemetry; seen: unknown[] } => {
    const seen: unknown[] = []
    const creating = (description: SendDescription) => {
      seen.push(description)
      return {
        headers: [
          ['traceparent', Buffer.from('ours')],
          ['tracestate', Buffer.from('ours')],
        ] as const,
        succeeded: () => void seen.push('stored'),
        failed: (type: string) => void seen.push(type),
      }
    }
    return { telemetry: { ...noTelemetry, creating }, seen }
  }
  const traceOf = ({ headers }: OutboxMessage): string[] =>
    headers.filter(([name]) => name.startsWith('trace')).map(([name, value]) => `${name}: ${value!.toString()}`)

  test('sees each message until it is stored, and its context goes with the headers; a caller’s own is kept', async () => {
    const { telemetry, seen } = watching()
    const { outbox, transaction } = setup(telemetry)
    await outbox.enqueue(transaction, orders, { id: 'o-1', total: 1 }, { id: 'm-1' })
    expect(seen).toEqual([{ topic: 'orders', messageId: 'm-1', tombstone: false, key: 'o-1/1' }, 'stored'])
    await outbox.enqueueTombstone(transaction, orders, 'o-1', { headers: { traceparent: 'theirs' } })
    expect(seen[2]).toMatchObject({ tombstone: true, key: 'o-1' })
    expect(transaction.rows.map(traceOf)).toEqual([['traceparent: ours', 'tracestate: ours'], ['traceparent: theirs']])
  })

  test('hears of what kind the failure was, of each message of many', async () => {
    const { telemetry, seen } = watching()
    const { outbox, transaction, points } = setup(telemetry)
    points.throwAt('outbox:before-insert')
    const all = [1, 2].map((value) => ({ topic: ticks, value }))
    await expect(outbox.enqueueMany(transaction, all)).rejects.toThrow('failpoint')
    expect(seen.slice(2)).toEqual(['Error', 'Error'])
  })

  test('that throws keeps nothing from being stored', async () => {
    const fails = (): never => {
      throw new Error('a span processor')
    }
    for (const creating of [
      fails,
      () => ({ headers: [], succeeded: fails, failed: fails }),
      () => ({
        get headers() {
          return fails()
        },
        succeeded() {},
        failed() {},
      }),
    ]) {
      const { outbox, transaction } = setup({ ...noTelemetry, creating })
      await outbox.enqueue(transaction, orders, { id: 'o-1', total: 1 })
      expect(transaction.rows).toHaveLength(1)
    }
  })
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
    createOutbox({ store: {}, source: '', telemetry: {} } as never)
  } catch (error) {
    if (!HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID')) throw error
    expect(error.problems.map(({ path }) => path)).toEqual(['store', 'source', 'telemetry'])
    return
  }
  throw new Error('was made')
})

import { describe, expect, test } from 'vitest'
import type { LogRecord } from '../../scripts/demo/audit.ts'
import type { Duty } from '../../scripts/demo/duties.ts'
import { markId } from '../../scripts/demo/marks.ts'
import type { OutboxChain, OutboxFindings, OutboxRow } from '../../scripts/demo/outbox-chain.ts'
import { auditOutbox } from '../../scripts/demo/outbox-chain.ts'

const DUTIES: readonly Duty[] = [
  { service: 'stock', topic: 'order-events', types: ['order.created'] },
  { service: 'mail', topic: 'order-events', types: ['order.created'] },
]

type EventRecord = Extract<LogRecord, { kind: 'event' }>

const row = (
  id: number,
  type: string,
  orderId: string,
  offset: number,
  different: Partial<OutboxRow> = {},
): OutboxRow => ({
  id: BigInt(id),
  messageId: `${orderId}/${type}`,
  topic: type.startsWith('order') ? 'order-events' : 'inventory-events',
  key: orderId,
  state: 'sent',
  acknowledged: { partition: 0, offset: BigInt(offset) },
  ...different,
})
const record = (offset: number, type: string, orderId: string, value: object = {}): EventRecord => ({
  kind: 'event',
  topic: type.startsWith('order') ? 'order-events' : 'inventory-events',
  partition: 0,
  offset: BigInt(offset),
  eventId: `${orderId}/${type}`,
  type,
  orderId,
  value: { type, orderId, ...value },
})
const mark = (eventId: string): OutboxChain['marks'][number] => ({
  service: 'stock',
  id: markId('stock', { topic: 'order-events', eventId }),
})

const SHORT = { reason: 'out-of-stock' }
/** Two orders. The goods of the first were returned; the second was cancelled, since they were short. Fulfilment sends for itself. */
const SOUND: OutboxChain = {
  accepted: ['o-1', 'o-2'],
  orders: ['o-1', 'o-2'],
  rows: [
    row(1, 'order.created', 'o-1', 0),
    row(3, 'inventory.reserved', 'o-1', 0),
    row(4, 'order.created', 'o-2', 2),
    row(6, 'order.cancelled', 'o-2', 4),
    row(7, 'inventory.returned', 'o-1', 2),
  ],
  log: [
    record(0, 'order.created', 'o-1'),
    record(1, 'order.confirmed', 'o-1'),
    record(2, 'order.created', 'o-2'),
    record(3, 'order.cancelled', 'o-1', { reason: 'payment-declined' }),
    record(4, 'order.cancelled', 'o-2', SHORT),
    record(0, 'inventory.reserved', 'o-1'),
    { kind: 'pill', topic: 'inventory-events', partition: 0, offset: 1n },
    record(2, 'inventory.returned', 'o-1'),
  ],
  letters: [],
  marks: ['o-1/order.created', 'o-2/order.created', 'o-2/order.cancelled'].map(mark),
}
const find = (different: Partial<OutboxChain>): OutboxFindings =>
  auditOutbox({ ...SOUND, ...different }, DUTIES, new Set(['stock']))
const without = <T>(all: readonly T[], index: number): readonly T[] => all.filter((_, i) => i !== index)

test('a chain without a gap has nothing to complain about, whoever else sends to the topics', () => {
  expect(find({})).toEqual({ sent: 5, sentAgain: 0, missing: [], reordered: [], unfounded: [] })
})

test('a record that is there once more, with its id, is counted and no finding: its first copy keeps the order', () => {
  const again = find({ log: [...SOUND.log, record(5, 'order.created', 'o-2'), record(6, 'order.created', 'o-2')] })
  expect(again).toEqual({ ...find({}), sentAgain: 2 })
})

describe('missing', () => {
  test('the row of an order that was answered with 202, and of one that is stored', () => {
    const rows = without(SOUND.rows, 0)
    expect(find({ rows, orders: ['o-2'] }).missing).toEqual(['o-1 was answered with 202, and has no row in the outbox'])
    expect(find({ rows, accepted: ['o-2'] }).missing).toEqual(['o-1 is stored, and has no row in the outbox'])
  })

  test('the record of a row that is marked as sent, and one at another place than Kafka has acknowledged', () => {
    expect(find({ log: without(SOUND.log, 5) }).missing).toEqual([
      'row 3 (o-1/inventory.reserved) is marked as sent, and not on the topic',
    ])
    const rows = [...without(SOUND.rows, 1), row(3, 'inventory.reserved', 'o-1', 9)]
    expect(find({ rows }).missing).toEqual([
      'row 3 (o-1/inventory.reserved) is marked as sent, and another record stands at its place',
    ])
  })

  test('what waits still, or was set aside', () => {
    for (const state of ['waiting', 'aside'] as const) {
      const rows = [...without(SOUND.rows, 1), row(3, 'inventory.reserved', 'o-1', 0, { state, acknowledged: null })]
      expect(find({ rows }).missing).toEqual([`row 3 (o-1/inventory.reserved) is ${state}, and not sent`])
    }
  })

  test('the row of an inbox that reads it, unless it was parked there', () => {
    const marks = without(SOUND.marks, 0)
    expect(find({ marks }).missing).toEqual([
      'row 1 (o-1/order.created) is on the topic, and not in the inbox of stock',
    ])
    const letter = {
      service: 'stock',
      topic: 'order-events',
      partition: 0,
      offset: 0n,
      reason: '',
      atMs: 0,
      stored: true,
    }
    expect(find({ marks, letters: [letter] }).missing).toEqual([])
    expect(find({ marks, letters: [{ ...letter, service: 'mail' }] }).missing).toHaveLength(1)
  })
})

describe('reordered', () => {
  test('a first copy before that of an earlier row of its key', () => {
    const log = SOUND.log.map((each) => ({ ...each, offset: 9n - each.offset }))
    const rows = SOUND.rows.map((each) => ({
      ...each,
      acknowledged: { partition: 0, offset: 9n - each.acknowledged!.offset },
    }))
    expect(find({ log, rows }).reordered).toEqual([
      'row 7 (o-1/inventory.returned) came before row 3 (o-1/inventory.reserved)',
      'row 6 (o-2/order.cancelled) came before row 4 (o-2/order.created)',
    ])
  })

  test('a key on two partitions', () => {
    const log = [...without(SOUND.log, 7), { ...record(2, 'inventory.returned', 'o-1'), partition: 1 }]
    expect(find({ log }).reordered).toEqual([
      'row 7 (o-1/inventory.returned) is on another partition than row 3 (o-1/inventory.reserved)',
    ])
  })

  test('not an old copy behind a newer record, nor rows of different keys, nor row ids as text', () => {
    expect(find({ log: [...SOUND.log, record(9, 'inventory.reserved', 'o-1')] }).reordered).toEqual([])
    const rows = SOUND.rows.map((each) => (each.id === 7n ? { ...each, id: 10n } : each))
    expect(find({ rows }).reordered).toEqual([])
  })
})

describe('of no row', () => {
  test('what was rolled back and sent all the same; not what others send for themselves', () => {
    const log = [
      ...SOUND.log,
      record(5, 'order.created', 'o-3'),
      record(6, 'order.cancelled', 'o-3', SHORT),
      record(7, 'order.cancelled', 'o-4', { reason: 'payment-declined' }),
      record(3, 'inventory.short', 'o-3'),
    ]
    expect(find({ log }).unfounded).toEqual([
      'order-events o-3/order.created was sent, and no row tells of it',
      'order-events o-3/order.cancelled was sent, and no row tells of it',
      'inventory-events o-3/inventory.short was sent, and no row tells of it',
    ])
  })

  test('a row that tells of an order that is not stored', () => {
    expect(find({ orders: ['o-2'] }).unfounded).toEqual([
      'row 1 (o-1/order.created) tells of an order that is not stored',
    ])
  })

  test('an event that was enqueued twice', () => {
    const rows = [...SOUND.rows, row(9, 'order.created', 'o-2', 2)]
    expect(find({ rows }).unfounded).toEqual([
      'order-events o-2/order.created has 2 rows: it was enqueued more than once',
    ])
  })
})

import type { Letter, LogRecord, Place } from './audit.ts'
import type { Duty } from './duties.ts'
import { groupBy } from './group-by.ts'
import type { Mark } from './marks.ts'
import { markId } from './marks.ts'

/** A row of the outbox, waiting or kept. */
export interface OutboxRow {
  readonly id: bigint
  readonly messageId: string
  readonly topic: string
  readonly key: string
  /** Sent rows are kept; those that were set aside wait for an operator. */
  readonly state: 'waiting' | 'aside' | 'sent'
  /** Where Kafka has acknowledged it, of sent rows. */
  readonly acknowledged: Omit<Place, 'topic'> | null
}

/** What is held against each other, link by link. */
export interface OutboxChain {
  /** Orders that were answered with 202. */
  readonly accepted: readonly string[]
  /** Orders in the table. */
  readonly orders: readonly string[]
  readonly rows: readonly OutboxRow[]
  readonly log: readonly LogRecord[]
  readonly letters: readonly Letter[]
  readonly marks: readonly Mark[]
}

/** What came of it. The lists are sentences for people. */
export interface OutboxFindings {
  /** Rows that Kafka has acknowledged. */
  readonly sent: number
  /** Records beyond the first of their row: their id is the same. */
  readonly sentAgain: number
  /** Rows, records and inbox rows that should be there. */
  readonly missing: readonly string[]
  /** First copies behind that of a later row of their key. */
  readonly reordered: readonly string[]
  /** What stands on a topic, or in the table of orders, though no committed row tells of it. */
  readonly unfounded: readonly string[]
}

/** What goes through the outbox and no other way: written down apart from the services' code on purpose. */
const isOfOutbox = ({ topic, type, value }: EventRecord): boolean =>
  topic === 'inventory-events' ||
  type === 'order.created' ||
  (type === 'order.cancelled' && value['reason'] === 'out-of-stock')

type EventRecord = Extract<LogRecord, { kind: 'event' }>

/**
 * Holds each link of the chain against the next: HTTP answer → row of the order and of the outbox → record → row of each inbox that reads it.
 *
 * @param withInbox - the services that have one
 */
export function auditOutbox(
  chain: OutboxChain,
  duties: readonly Duty[],
  withInbox: ReadonlySet<string>,
): OutboxFindings {
  const { accepted, orders, rows, log } = chain
  const records = log.filter((record) => record.kind === 'event')
  const copies = groupBy(records.toSorted(byOffset), nameOfRecord)
  const rowsByName = groupBy(rows, nameOfRow)
  const hasRow = (name: string): boolean => rowsByName.has(name)
  const createdOf = (orderId: string): string => `order-events ${orderId}/order.created`
  const ordered = new Set(orders)

  return {
    sent: rows.filter(({ state }) => state === 'sent').length,
    sentAgain: [...rowsByName.keys()].reduce((sum, name) => sum + Math.max(0, (copies.get(name)?.length ?? 0) - 1), 0),
    missing: [
      ...accepted
        .filter((orderId) => !hasRow(createdOf(orderId)))
        .map((orderId) => `${orderId} was answered with 202, and has no row in the outbox`),
      ...orders
        .filter((orderId) => !hasRow(createdOf(orderId)))
        .map((orderId) => `${orderId} is stored, and has no row in the outbox`),
      ...rows.filter(({ state }) => state !== 'sent').map((row) => `${describe(row)} is ${row.state}, and not sent`),
      ...rows.flatMap((row) => withoutRecord(row, copies.get(nameOfRow(row)) ?? [])),
      ...withoutMark(chain, rows, copies, duties, withInbox),
    ],
    reordered: reordered(rows, copies),
    unfounded: [
      ...records
        .filter((record) => isOfOutbox(record) && !hasRow(nameOfRecord(record)))
        .map((record) => `${nameOfRecord(record)} was sent, and no row tells of it`),
      ...rows
        .filter(({ topic, messageId }) => topic === 'order-events' && messageId.endsWith('/order.created'))
        .filter(({ messageId }) => !ordered.has(messageId.slice(0, messageId.lastIndexOf('/'))))
        .map((row) => `${describe(row)} tells of an order that is not stored`),
      ...[...rowsByName]
        .filter(([, each]) => each.length > 1)
        .map(([name, each]) => `${name} has ${each.length} rows: it was enqueued more than once`),
    ],
  }
}

function withoutRecord(row: OutboxRow, copies: readonly EventRecord[]): readonly string[] {
  if (row.state !== 'sent') return []
  if (copies.length === 0) return [`${describe(row)} is marked as sent, and not on the topic`]
  const { acknowledged } = row
  const isThere = copies.some(
    ({ partition, offset }) => partition === acknowledged?.partition && offset === acknowledged.offset,
  )
  return isThere ? [] : [`${describe(row)} is marked as sent, and another record stands at its place`]
}

/** Each service with an inbox marks what it reads, whatever of it is its business; what it could not read it has parked. */
function withoutMark(
  { marks, letters }: OutboxChain,
  rows: readonly OutboxRow[],
  copies: ReadonlyMap<string, readonly EventRecord[]>,
  duties: readonly Duty[],
  withInbox: ReadonlySet<string>,
): readonly string[] {
  const made = new Set(marks.map(({ service, id }) => `${service} ${id}`))
  const parked = new Set(letters.map((letter) => `${letter.service} ${placeOf(letter)}`))
  return rows.flatMap((row) => {
    const readers = new Set(duties.filter((duty) => duty.topic === row.topic).map(({ service }) => service))
    const records = copies.get(nameOfRow(row)) ?? []
    return [...readers]
      .filter((service) => withInbox.has(service) && records.length > 0)
      .filter((service) => !made.has(`${service} ${markId(service, { topic: row.topic, eventId: row.messageId })}`))
      .filter((service) => !records.some((record) => parked.has(`${service} ${placeOf(record)}`)))
      .map((service) => `${describe(row)} is on the topic, and not in the inbox of ${service}`)
  })
}

function reordered(rows: readonly OutboxRow[], copies: ReadonlyMap<string, readonly EventRecord[]>): readonly string[] {
  const found: string[] = []
  for (const ofKey of groupBy(rows, ({ topic, key }) => `${topic} ${key}`).values()) {
    let last: { readonly row: OutboxRow; readonly first: EventRecord } | undefined
    for (const row of ofKey.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      const first = copies.get(nameOfRow(row))?.[0]
      if (first === undefined) continue
      if (last !== undefined && first.partition !== last.first.partition)
        found.push(`${describe(row)} is on another partition than ${describe(last.row)}`)
      else if (last !== undefined && first.offset < last.first.offset)
        found.push(`${describe(row)} came before ${describe(last.row)}`)
      last = { row, first }
    }
  }
  return found
}

function nameOfRow({ topic, messageId }: OutboxRow): string {
  return `${topic} ${messageId}`
}

function nameOfRecord({ topic, eventId }: EventRecord): string {
  return `${topic} ${eventId}`
}

function describe(row: OutboxRow): string {
  return `row ${row.id} (${row.messageId})`
}

function placeOf({ topic, partition, offset }: Place): string {
  return `${topic}[${partition}]@${offset}`
}

/** First copies stand first. Records of one id are on one partition, or else a finding. */
function byOffset(a: EventRecord, b: EventRecord): number {
  return a.offset < b.offset ? -1 : 1
}

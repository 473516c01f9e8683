import { Client } from 'pg'
import type { History } from './audit.ts'
import { placeId } from './cluster.ts'
import { WITH_INBOX } from './duties.ts'
import type { Mark } from './marks.ts'
import type { OutboxRow } from './outbox-chain.ts'
import type { Charge, Mail } from './outside-world.ts'
import type { Payment, Reservation } from './told.ts'

/** What the tables say, as far as the audit asks. */
export interface Tables extends Pick<
  History,
  | 'states'
  | 'effects'
  | 'skips'
  | 'stock'
  | 'marks'
  | 'rows'
  | 'reservations'
  | 'payments'
  | 'charges'
  | 'mails'
  | 'notified'
> {
  /** Places on the dead letter topics that the monitor wrote down. */
  readonly storedLetters: ReadonlySet<string>
}

/** How many orders are in which state, what was parked, and what is still to be sent: for the progress line, and to see the end. */
export interface Counts {
  readonly delivered: number
  readonly cancelled: number
  /** Orders that have not ended. */
  readonly open: number
  readonly parked: number
  /** Rows of the outbox; those that were set aside are not waited for. */
  readonly unsent: number
}

/** Makes a database of the demo's own, so that a given server's data is not touched. @returns its address, and how to drop it. */
export async function createDatabase(
  url: string,
): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
  const name = `order_processing_${process.pid}_${Date.now()}`
  const server = new Client({ connectionString: url })
  await server.connect()
  try {
    await server.query(`create database ${name}`)
  } finally {
    await server.end()
  }
  const own = new URL(url)
  own.pathname = `/${name}`
  return {
    url: own.href,
    drop: async () => {
      const again = new Client({ connectionString: url })
      await again.connect()
      try {
        await again.query(`drop database if exists ${name} with (force)`)
      } finally {
        await again.end()
      }
    },
  }
}

/** Counts what there is to show while the demo runs. */
export async function readCounts(database: Client): Promise<Counts> {
  const { rows } = await database.query<Counts>(`
    select (select count(*)::int from orders where state = 'delivered') as delivered,
           (select count(*)::int from orders where state = 'cancelled') as cancelled,
           (select count(*)::int from orders where state not in ('delivered', 'cancelled')) as open,
           (select count(*)::int from dead_letters) as parked,
           (select count(*)::int from holdfast_outbox where bucket >= 0) as unsent`)
  return rows[0]!
}

/** Reads everything for the audit, as of one moment. */
export async function readTables(database: Client, openingStock: Readonly<Record<string, number>>): Promise<Tables> {
  await database.query('begin isolation level repeatable read read only')
  try {
    const orders = await database.query<{ order_id: string; state: string; reason: string | null }>(
      'select * from orders',
    )
    const effects = await database.query<{
      seq: string
      service: string
      process: number
      topic: string
      partition: number
      log_offset: string
      event_id: string
      kind: 'done' | 'known'
      at_ms: number
    }>('select *, (extract(epoch from happened_at) * 1000)::float8 as at_ms from effects')
    const skips = await database.query<{ service: string; topic: string; partition: number; log_offset: string }>(
      'select * from skips',
    )
    const letters = await database.query<{ topic: string; partition: number; log_offset: string }>(
      'select * from dead_letters',
    )
    const stock = await database.query<{ sku: string; on_hand: number; reserved: number }>(`
      select sku, on_hand, coalesce((
        select sum((item ->> 'quantity')::int) from reservations, jsonb_array_elements(items) item
        where state = 'reserved' and item ->> 'sku' = stock.sku
      ), 0)::int as reserved from stock`)
    const marks: Mark[] = []
    for (const service of WITH_INBOX) {
      const inbox = `${service.replaceAll('-', '_')}_inbox`
      const { rows } = await database.query<{ id: string }>(
        `select encode(id, 'hex') as id from ${inbox} where outcome = 'handled'`,
      )
      marks.push(...rows.map(({ id }) => ({ service, id })))
    }
    const rows = await database.query<{
      id: string
      message_id: string
      topic: string
      key: string
      state: OutboxRow['state']
      partition: number | null
      log_offset: string | null
    }>(`
      select id, message_id, topic, convert_from(key, 'utf8') as key, case when bucket < 0 then 'aside' else 'waiting' end as state,
             null::int as partition, null::bigint as log_offset
      from holdfast_outbox
      union all
      select id, message_id, topic, convert_from(key, 'utf8'), 'sent', partition, "offset" from holdfast_outbox_sent`)
    const reservations = await database.query<Reservation>(`
      select order_id as "orderId", customer_id as "customerId", items, state, missing_sku as missing from reservations`)
    const payments = await database.query<Payment>(
      'select order_id as "orderId", amount_cents as "amountCents", state from payments',
    )
    const charges = await database.query<Charge>(
      'select order_id as "orderId", amount_cents as "amountCents", verdict from gateway_charges',
    )
    const mails = await database.query<Mail>('select order_id as "orderId", about from mail_server_mails')
    const notified = await database.query<Mail>('select order_id as "orderId", about from notifications')
    return {
      marks,
      rows: rows.rows.map(({ id, message_id, topic, key, state, partition, log_offset }) => ({
        id: BigInt(id),
        messageId: message_id,
        topic,
        key,
        state,
        acknowledged: partition === null || log_offset === null ? null : { partition, offset: BigInt(log_offset) },
      })),
      reservations: reservations.rows,
      payments: payments.rows,
      charges: charges.rows,
      mails: mails.rows,
      notified: notified.rows,
      states: new Map(orders.rows.map(({ order_id, state, reason }) => [order_id, { state, reason }])),
      effects: effects.rows.map(({ seq, service, process, topic, partition, log_offset, event_id, kind, at_ms }) => ({
        seq: Number(seq),
        service,
        process,
        topic,
        partition,
        offset: BigInt(log_offset),
        eventId: event_id,
        kind,
        atMs: at_ms,
      })),
      skips: skips.rows.map(({ service, topic, partition, log_offset }) => ({
        service,
        topic,
        partition,
        offset: BigInt(log_offset),
      })),
      storedLetters: new Set(
        letters.rows.map(({ topic, partition, log_offset }) =>
          placeId({ topic, partition, offset: BigInt(log_offset) }),
        ),
      ),
      stock: stock.rows.map(({ sku, on_hand, reserved }) => ({
        sku,
        opening: openingStock[sku] ?? 0,
        onHand: on_hand,
        reserved,
      })),
    }
  } finally {
    await database.query('commit')
  }
}

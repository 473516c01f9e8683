// Reserves the goods of new orders, cancels orders whose goods are short, and takes goods back when a payment is declined.
import type { PoolClient } from 'pg'
import { eventId, inventoryEvents, orderEvents, paymentEvents } from '../contracts/index.ts'
import { recordEffect } from '../shared/database.ts'
import { createServiceOutbox } from '../shared/outbox.ts'
import { createService } from '../shared/service.ts'

// Orders are the keys: the events of one order are handled one after the other, those of different orders side by side. Two orders
// that want the same article meet at its row in the database, which lets one go first.
const service = createService('inventory', {
  concurrency: 4, // each in a transaction: of eight connections two are the inbox's, and two the relay's
})
const { consumer, inbox, start } = service
const { outbox, sending } = createServiceOutbox(service)

// Stock, reservation, the mark that the event was handled and the events that follow are one transaction: all of it happens, once, or nothing. What is
// enqueued here is sent if and only if it commits. It comes last: its locks are held to the end of the transaction.
consumer.on(
  orderEvents,
  async (message, context) => {
    const { tx } = context
    const event = message.value
    if (event.type !== 'order.created') return
    const { orderId, customerId, items, totalCents } = event

    const missing = await firstShort(tx, items)
    if (missing === null) await changeStock(tx, items, -1)
    await tx.query(
      'insert into reservations (order_id, customer_id, items, state, missing_sku) values ($1, $2, $3, $4, $5)',
      [orderId, customerId, JSON.stringify(items), missing === null ? 'reserved' : 'short', missing],
    )
    await recordEffect(tx, 'inventory', message, context)
    if (missing === null) {
      const reserved = { type: 'inventory.reserved', orderId, customerId, totalCents } as const
      await outbox.enqueue(tx, inventoryEvents, reserved, { id: eventId(reserved) })
      return
    }
    const short = { type: 'inventory.short', orderId, sku: missing } as const
    const cancelled = { type: 'order.cancelled', orderId, customerId, reason: 'out-of-stock' } as const
    await outbox.enqueueMany(tx, [
      { topic: inventoryEvents, value: short, id: eventId(short) },
      { topic: orderEvents, value: cancelled, id: eventId(cancelled) },
    ])
  },
  { inbox },
)

consumer.on(
  paymentEvents,
  async (message, context) => {
    const { tx } = context
    const { type, orderId } = message.value
    if (type !== 'payment.declined') return
    const reservation = await tx.query<{ items: Items }>(
      "update reservations set state = 'returned' where order_id = $1 and state = 'reserved' returning items",
      [orderId],
    )
    if (reservation.rows[0] === undefined) throw new Error('a payment was declined for goods that are not reserved')
    await changeStock(tx, reservation.rows[0].items, +1)
    await recordEffect(tx, 'inventory', message, context)
    const returned = { type: 'inventory.returned', orderId } as const
    await outbox.enqueue(tx, inventoryEvents, returned, { id: eventId(returned) })
  },
  { inbox },
)

await start({ after: sending })

type Items = ReadonlyArray<{ readonly sku: string; readonly quantity: number }>

/** The first item that the shelf has too few of. Locks the rows, sorted, so that two orders never wait for each other. */
async function firstShort(tx: PoolClient, items: Items): Promise<string | null> {
  const skus = [...new Set(items.map((item) => item.sku))]
  const stock = await tx.query<{ sku: string; on_hand: number }>(
    'select sku, on_hand from stock where sku = any($1) order by sku for update',
    [skus],
  )
  const left = new Map(stock.rows.map((row) => [row.sku, row.on_hand]))
  for (const { sku, quantity } of items) {
    const rest = (left.get(sku) ?? 0) - quantity
    if (rest < 0) return sku
    left.set(sku, rest)
  }
  return null
}

async function changeStock(tx: PoolClient, items: Items, sign: 1 | -1): Promise<void> {
  const sorted = items.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))
  for (const { sku, quantity } of sorted) {
    await tx.query('update stock set on_hand = on_hand + $2 where sku = $1', [sku, sign * quantity])
  }
}

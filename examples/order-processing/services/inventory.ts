// Reserves the goods of new orders, cancels orders whose goods are short, and takes goods back when a payment is declined.
import { eventId, inventoryEvents, orderEvents, paymentEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { createService } from '../shared/service.ts'
import type { PoolClient } from 'pg'

// Orders are the keys: the events of one order are handled one after the other, those of different orders side by side. Two orders
// that want the same article meet at its row in the database, which lets one go first.
const { consumer, database, dedupe, producer, start } = createService('inventory')

consumer.on(
  orderEvents,
  async (message, context) => {
    const event = message.value
    if (event.type !== 'order.created') return
    const { orderId, customerId, items, totalCents } = event

    const missing = await inTransaction(database, async (tx) => {
      // The row of the order is the guard: a redelivered event finds it and takes nothing from the stock a second time.
      const isNew = await tx.query(
        'insert into reservations (order_id, items) values ($1, $2) on conflict (order_id) do nothing',
        [orderId, JSON.stringify(items)],
      )
      if (isNew.rowCount === 0) {
        await recordEffect(tx, 'inventory', message, context, 'known')
        const known = await tx.query<{ missing: string | null }>(
          'select missing from reservations where order_id = $1',
          [orderId],
        )
        return known.rows[0]!.missing
      }
      const short = await firstShort(tx, items)
      if (short === null) await changeStock(tx, items, -1)
      await tx.query('update reservations set state = $2, missing = $3 where order_id = $1', [
        orderId,
        short === null ? 'reserved' : 'short',
        short,
      ])
      await recordEffect(tx, 'inventory', message, context)
      return short
    })

    // Sent on every delivery, also when the work was already known: a crash after the transaction may have lost the send.
    if (missing === null) {
      const reserved = { type: 'inventory.reserved', orderId, customerId, totalCents } as const
      await producer.send(inventoryEvents, reserved, { id: eventId(reserved) })
    } else {
      const short = { type: 'inventory.short', orderId, sku: missing } as const
      await producer.send(inventoryEvents, short, { id: eventId(short) })
      const cancelled = { type: 'order.cancelled', orderId, customerId, reason: 'out-of-stock' } as const
      await producer.send(orderEvents, cancelled, { id: eventId(cancelled) })
    }
  },
  { dedupe },
)

consumer.on(
  paymentEvents,
  async (message, context) => {
    const { type, orderId } = message.value
    if (type !== 'payment.declined') return
    await inTransaction(database, async (tx) => {
      const reservation = await tx.query<{ items: Items }>(
        "update reservations set state = 'returned' where order_id = $1 and state = 'reserved' returning items",
        [orderId],
      )
      const items = reservation.rows[0]?.items
      if (items !== undefined) await changeStock(tx, items, +1)
      await recordEffect(tx, 'inventory', message, context, items === undefined ? 'known' : 'done')
    })
    const returned = { type: 'inventory.returned', orderId } as const
    await producer.send(inventoryEvents, returned, { id: eventId(returned) })
  },
  { dedupe },
)

await start()

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

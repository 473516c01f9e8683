// Gives a customer one point for each euro paid.
import { paymentEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { createService } from '../shared/service.ts'

const { consumer, database, dedupe, start } = createService('points')

consumer.on(
  paymentEvents,
  async (message, context) => {
    const { type, orderId, customerId, amountCents } = message.value
    if (type !== 'payment.completed') return
    await inTransaction(database, async (tx) => {
      const entry = await tx.query(
        'insert into points_ledger (order_id, customer_id, points) values ($1, $2, $3) on conflict (order_id) do nothing',
        [orderId, customerId, Math.floor(amountCents / 100)],
      )
      await recordEffect(tx, 'points', message, context, entry.rowCount === 0 ? 'known' : 'done')
    })
  },
  { dedupe, ordering: 'none' }, // points only add up: no event has to wait for another
)

await start()

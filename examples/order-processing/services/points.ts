// Gives a customer one point for each euro paid.
import { paymentEvents } from '../contracts/index.ts'
import { recordEffect } from '../shared/database.ts'
import { createService } from '../shared/service.ts'

const { consumer, inbox, start } = createService('points')

consumer.on(
  paymentEvents,
  async (message, context) => {
    const { type, orderId, customerId, amountCents } = message.value
    if (type !== 'payment.completed') return
    // The transaction has marked the message already: whatever is written through it is written once.
    await context.tx.query('insert into points_ledger (order_id, customer_id, points) values ($1, $2, $3)', [
      orderId,
      customerId,
      Math.floor(amountCents / 100),
    ])
    await recordEffect(context.tx, 'points', message, context)
  },
  { inbox, ordering: 'none' }, // points only add up: no event has to wait for another
)

await start()

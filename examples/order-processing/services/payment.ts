// Charges orders whose goods are reserved. The gateway is flaky: the consumer retries, and the order keeps its place in line.
import { eventId, inventoryEvents, paymentEvents } from '../contracts/index.ts'
import { recordEffect } from '../shared/database.ts'
import { simulatedGateway } from '../shared/payment-gateway.ts'
import { createService } from '../shared/service.ts'

const { configuration, consumer, database, dedupe, producer, start } = createService('payment', {
  // Charges wait for the gateway, those of different orders side by side. A crash may repeat each that is under way, and no other.
  concurrency: 8,
})
const gateway = simulatedGateway(configuration.seed)

consumer.on(
  inventoryEvents,
  async (message, context) => {
    const event = message.value
    if (event.type !== 'inventory.reserved') return
    const { orderId, customerId, totalCents: amountCents } = event

    // A redelivered event finds its row, and nobody is charged again.
    const known = await database.query<Payment>('select verdict from payments where order_id = $1', [orderId])
    let verdict = known.rows[0]?.verdict
    if (verdict === undefined) {
      // Throwing is a failed attempt: the consumer waits and calls again. After the last attempt the message is parked.
      const charged = await gateway.charge(orderId, amountCents, context.attempt, context.signal)
      // A crash between the charge and its row charges again. No table can prevent that, only a gateway that takes an idempotency
      // key. Written down before the row, so that the audit sees nearly every charge that was made twice.
      await recordEffect(database, 'payment', message, context)
      // Of two processes that charged at once the first one's verdict stands, and both say the same.
      const kept = await database.query<Payment>(
        `insert into payments (order_id, amount_cents, verdict) values ($1, $2, $3)
         on conflict (order_id) do update set order_id = excluded.order_id returning verdict`,
        [orderId, amountCents, charged],
      )
      verdict = kept.rows[0]!.verdict
    } else {
      await recordEffect(database, 'payment', message, context, 'known')
    }

    // Sent on every delivery, also when the order was already paid: a crash behind the row may have lost the send. The offset moves
    // after this is acknowledged, so the event cannot be lost; said twice, it has the same id.
    const next = { type: `payment.${verdict}`, orderId, customerId, amountCents } as const
    await producer.send(paymentEvents, next, { id: eventId(next) })
  },
  {
    dedupe,
    retry: { maxAttempts: 6, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000 },
  },
)

await start()

interface Payment {
  readonly verdict: 'completed' | 'declined'
}

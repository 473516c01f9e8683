// Charges orders whose goods are reserved. The gateway is flaky: the consumer retries, and the order keeps its place in line.
import { eventId, inventoryEvents, paymentEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { simulatedGateway } from '../shared/payment-gateway.ts'
import { createService } from '../shared/service.ts'

const { configuration, consumer, database, dedupe, producer, start } = createService('payment', {
  // Charges wait for the gateway, those of different orders side by side. Each that is under way may be made twice by a crash.
  concurrency: 8,
})
const gateway = simulatedGateway(configuration.seed)

consumer.on(
  inventoryEvents,
  async (message, context) => {
    const event = message.value
    if (event.type !== 'inventory.reserved') return
    const { orderId, customerId, totalCents: amountCents } = event

    // Throwing is a failed attempt: the consumer waits and calls again. After the last attempt the message is parked.
    const verdict = await gateway.charge(orderId, amountCents, context.attempt, context.signal)

    // A crash between the charge and the commit of this message's offset charges again after the restart: at least once. Only an
    // inbox in the database's own transaction (or an idempotency key of the gateway's) would prevent it. The effects table counts
    // every charge, so that the audit can show it.
    await inTransaction(database, async (tx) => {
      await tx.query(
        'insert into payments (order_id, amount_cents, verdict) values ($1, $2, $3) on conflict (order_id) do nothing',
        [orderId, amountCents, verdict],
      )
      await recordEffect(tx, 'payment', message, context)
    })

    // The offset moves after this send is acknowledged, so the event cannot be lost; said twice, it has the same id.
    const next = { type: `payment.${verdict}`, orderId, customerId, amountCents } as const
    await producer.send(paymentEvents, next, { id: eventId(next) })
  },
  {
    dedupe,
    retry: { maxAttempts: 6, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000 },
  },
)

await start()

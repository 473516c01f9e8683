// Charges orders whose goods are reserved. The gateway is flaky: the consumer retries, and the order keeps its place in line.
import { onlyFrom, postgresStateGuard } from 'holdfast/postgres'
import { eventId, inventoryEvents, paymentEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { simulatedGateway } from '../shared/payment-gateway.ts'
import type { Verdict } from '../shared/payment-gateway.ts'
import { createService } from '../shared/service.ts'

const { configuration, consumer, database, producer, start } = createService('payment', {
  // Charges wait for the gateway, those of different orders side by side: no more than it likes to be asked at a time.
  concurrency: 8,
})
const gateway = simulatedGateway(configuration.seed, database)

// No dedupe store: the state of the payment says what was done, and the gateway knows what it has charged.
const paymentState = postgresStateGuard({
  table: 'payments',
  idColumn: 'order_id',
  lifecycle: { pending: ['completed', 'declined'], completed: [], declined: [] },
})

consumer.on(
  inventoryEvents,
  async (message, context) => {
    const event = message.value
    if (event.type !== 'inventory.reserved') return
    const { orderId, customerId, totalCents: amountCents } = event

    const payment = await database.query<{ state: 'pending' | Verdict }>(
      `insert into payments (order_id, amount_cents, state) values ($1, $2, 'pending')
       on conflict (order_id) do update set order_id = excluded.order_id returning state`,
      [orderId, amountCents],
    )
    const { state } = payment.rows[0]!
    // Throwing is a failed attempt: the consumer waits and calls again. After the last attempt the message is parked.
    //
    // A crash between the charge and its row brings the message here again, and the gateway is asked again. No table of ours can
    // prevent that. The key can: it is the message's id, so it is the same then, and the gateway repeats its first answer.
    const charge = { idempotencyKey: message.id, orderId, amountCents }
    const verdict = state === 'pending' ? await gateway.charge(charge, context.attempt, context.signal) : state

    await inTransaction(database, async (tx) => {
      // Of two processes that have asked at once, one moves the payment. Both were told the same.
      const move = await paymentState.move(tx, orderId, verdict, onlyFrom('pending'))
      if (move.kind !== 'moved' && move.kind !== 'already') {
        throw new Error(
          `the gateway says ${verdict}, and the payment is ${move.kind === 'missing' ? 'gone' : move.state}`,
        )
      }
      await recordEffect(tx, 'payment', message, context, move.kind === 'moved' ? 'done' : 'known')
    })

    // Sent on every delivery, also when the order was already paid: a crash behind the row may have lost the send. The offset moves
    // after this is acknowledged, so the event cannot be lost; said twice, it has the same id.
    const next = { type: `payment.${verdict}`, orderId, customerId, amountCents } as const
    await producer.send(paymentEvents, next, { id: eventId(next) })
  },
  { retry: { maxAttempts: 6, initialDelayMs: 50, factor: 2, maxDelayMs: 1_000 } },
)

await start()

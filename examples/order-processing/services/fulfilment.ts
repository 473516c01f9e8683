// Moves paid orders on: confirmed, shipped, delivered; cancels those whose payment was declined.
import { eventId, orderEvents, paymentEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { createService } from '../shared/service.ts'

const { consumer, database, dedupe, producer, start } = createService('fulfilment', {
  concurrency: 24, // it mostly waits for Kafka; the steps of one order follow each other
})

consumer.on(
  paymentEvents,
  async (message, context) => {
    const { type, orderId, customerId } = message.value
    await recordEffect(database, 'fulfilment', message, context)
    const next =
      type === 'payment.completed'
        ? ({ type: 'order.confirmed', orderId, customerId } as const)
        : ({ type: 'order.cancelled', orderId, customerId, reason: 'payment-declined' } as const)
    await producer.send(orderEvents, next, { id: eventId(next) })
  },
  { dedupe },
)

consumer.on(
  orderEvents,
  async (message, context) => {
    const { type, orderId, customerId } = message.value
    if (type !== 'order.confirmed' && type !== 'order.shipped') return
    const state = type === 'order.confirmed' ? 'shipped' : 'delivered'
    await inTransaction(database, async (tx) => {
      await tx.query(
        `insert into shipments (order_id, state) values ($1, $2)
         on conflict (order_id) do update set state = excluded.state where shipments.state <> 'delivered'`,
        [orderId, state],
      )
      await recordEffect(tx, 'fulfilment', message, context)
    })
    const next = { type: `order.${state}`, orderId, customerId } as const
    await producer.send(orderEvents, next, { id: eventId(next) })
  },
  { dedupe },
)

await start()

// Moves paid orders on: confirmed, shipped, delivered; cancels those whose payment was declined.
import { postgresStateGuard } from 'holdfast/postgres'
import { eventId, orderEvents, paymentEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { createService } from '../shared/service.ts'

const { consumer, database, dedupe, producer, start } = createService('fulfilment', {
  concurrency: 24, // it mostly waits for Kafka; the steps of one order follow each other
})

// The shipment's state says what was done: a step that comes again finds it taken. The memory store beside it only spares the way to the
// table. An inbox would do as well for the rows, but the event behind them must be sent again after a crash, and it would call nobody.
const shipmentState = postgresStateGuard({
  table: 'shipments',
  idColumn: 'order_id',
  lifecycle: { confirmed: ['shipped'], shipped: ['delivered'], delivered: [], cancelled: [] },
})

consumer.on(
  paymentEvents,
  async (message, context) => {
    const { type, orderId, customerId } = message.value
    const isPaid = type === 'payment.completed'
    await inTransaction(database, async (tx) => {
      const opened = await tx.query(
        'insert into shipments (order_id, state) values ($1, $2) on conflict (order_id) do nothing',
        [orderId, isPaid ? 'confirmed' : 'cancelled'],
      )
      await recordEffect(tx, 'fulfilment', message, context, opened.rowCount === 0 ? 'known' : 'done')
    })
    const next = isPaid
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
      const move = await shipmentState.move(tx, orderId, state)
      if (move.kind === 'missing') throw new Error('a shipment that nobody has paid for')
      if (move.kind === 'refused') throw new Error(`a shipment that is ${move.state} cannot be ${state}`)
      await recordEffect(tx, 'fulfilment', message, context, move.kind === 'moved' ? 'done' : 'known')
    })
    // Sent on every delivery: what follows from the event is the same each time, and its id too.
    const next = { type: `order.${state}`, orderId, customerId } as const
    await producer.send(orderEvents, next, { id: eventId(next) })
  },
  { dedupe },
)

await start()

// Tells customers what happens to their orders. A mail that the server refuses three times is parked, and the next one goes out.
import { eventId, notificationEvents, orderEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { simulatedMailServer } from '../shared/mail-server.ts'
import { createService } from '../shared/service.ts'

const { configuration, consumer, database, dedupe, producer, start } = createService('notification', {
  concurrency: 16, // it waits for the mail server; the mails of one order go out one after the other
})
const mailServer = simulatedMailServer(configuration.seed)

consumer.on(
  orderEvents,
  async (message, context) => {
    const { type, orderId } = message.value
    if (type === 'order.created') return
    await mailServer.send(orderId, type, context.attempt)
    await inTransaction(database, async (tx) => {
      await tx.query('insert into notifications (order_id, about) values ($1, $2) on conflict do nothing', [
        orderId,
        type,
      ])
      await recordEffect(tx, 'notification', message, context)
    })
    const sent = { type: 'notification.sent', orderId, about: type } as const
    await producer.send(notificationEvents, sent, { id: eventId(sent, type) })
  },
  { dedupe, retry: { maxAttempts: 3, initialDelayMs: 50, factor: 2 } },
)

await start()

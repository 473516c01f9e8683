// Tells customers what happens to their orders. A mail that the server refuses three times is parked, and the next one goes out.
import { redisDedupeStore } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { eventId, notificationEvents, orderEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { simulatedMailServer } from '../shared/mail-server.ts'
import { createService } from '../shared/service.ts'

const { configuration, consumer, database, log, producer, start } = createService('notification', {
  concurrency: 16, // it waits for the mail server; the mails of one order go out one after the other
})
const mailServer = simulatedMailServer(configuration.seed, database)

// While Redis is out, calls fail soon instead of queueing up, and the partitions wait: a mail that nobody can look up is not sent.
const redis = new Redis(configuration.redisUrl, {
  maxRetriesPerRequest: 1,
  retryStrategy: (times) => Math.min(times * 50, 1_000),
})
redis.on('error', (error: Error) => log.warn({ code: (error as { code?: string }).code }, 'Redis does not answer'))
const store = redisDedupeStore(redis, { prefix: `${configuration.redisPrefix}notification:` })

consumer.on(
  orderEvents,
  async (message, context) => {
    const { type, orderId } = message.value
    if (type === 'order.created') return
    // The mail and its mark in Redis are two writes. A crash between them brings the message here again, and the mail server, which
    // knows it by the same key, sends nothing a second time.
    await mailServer.send({ idempotencyKey: message.id, orderId, about: type }, context.attempt)
    await inTransaction(database, async (tx) => {
      const told = await tx.query(
        'insert into notifications (order_id, about) values ($1, $2) on conflict do nothing',
        [orderId, type],
      )
      await recordEffect(tx, 'notification', message, context, told.rowCount === 0 ? 'known' : 'done')
    })
    const sent = { type: 'notification.sent', orderId, about: type } as const
    await producer.send(notificationEvents, sent, { id: eventId(sent, type) })
  },
  {
    // After a crash a message waits until the dead process's lease is over: short, but longer than any handler may take.
    dedupe: { store, leaseMs: 15_000 },
    handlerTimeoutMs: 10_000,
    retry: { maxAttempts: 3, initialDelayMs: 50, factor: 2 },
  },
)

await start({ after: { close: () => redis.disconnect() } })

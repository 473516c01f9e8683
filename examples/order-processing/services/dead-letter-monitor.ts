// Counts what was parked, says why, and keeps it in a table for whoever has to mend it. It prints no key, value or header: what is
// parked is exactly what nobody has checked.
import { deadLetters } from 'holdfast'
import type { DeadLetterEntry, Handler } from 'holdfast'
import { inventoryEvents, notificationEvents, orderEvents, paymentEvents } from '../contracts/index.ts'
import { createService } from '../shared/service.ts'

const { consumer, database, log, start } = createService('dead-letter-monitor')
const countByReason = new Map<string, number>()

const store: Handler<DeadLetterEntry> = async ({ value: letter }, context) => {
  const place = [context.topic, context.partition, String(context.offset)]
  if (letter.kind === 'foreign') {
    await database.query(
      `insert into dead_letters (topic, partition, log_offset, reason) values ($1, $2, $3, 'foreign') on conflict do nothing`,
      place,
    )
    log.warn({ topic: context.topic, offset: context.offset }, 'somebody else’s record stands on a dead letter topic')
    return
  }
  const { origin, groupId, reason, error, attempts, messageId } = letter
  // The dead letter's own place is the row's key: one that is delivered again is stored once.
  const stored = await database.query(
    `insert into dead_letters (topic, partition, log_offset, source_topic, source_partition, source_offset, consumer_group,
                               reason, error_class, error_message, attempts, message_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing`,
    [
      ...place,
      origin.topic,
      origin.partition,
      String(origin.offset),
      groupId,
      reason,
      error?.name,
      error?.message,
      attempts,
      messageId,
    ],
  )
  if (stored.rowCount === 0) return
  countByReason.set(reason, (countByReason.get(reason) ?? 0) + 1)
  const from = `${origin.topic}[${origin.partition}]@${origin.offset}`
  log.warn(
    { from, group: groupId, reason, error: error?.name, attempts, soFar: Object.fromEntries(countByReason) },
    'parked',
  )
}

for (const { name } of [orderEvents, paymentEvents, inventoryEvents, notificationEvents]) {
  consumer.on(deadLetters(name), store, { ordering: 'none' }) // each letter is a row of its own
}

await start()

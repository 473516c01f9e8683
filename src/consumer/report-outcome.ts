import type { Events } from '../events/index.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { Logger } from '../logger/index.ts'
import { silentLogger } from '../logger/index.ts'
import type { InboundRecord } from '../record/index.ts'
import { formatPosition, positionOf } from '../record/index.ts'
import { messageIdOf } from './message-id.ts'
import type { RecordOutcome } from './record-outcome.ts'

/** Tells how a record ended, to listeners and the log: what was not simply handled is never silent. */
export function reportOutcome(
  record: InboundRecord,
  outcome: RecordOutcome,
  events: Events<ConsumerEvents>,
  logger: Logger,
): void {
  const { kind } = outcome
  switch (kind) {
    case 'handled':
      if (!events.heard('handled')) return // the common case, made to cost nothing
      events.emit('handled', {
        position: positionOf(record),
        messageId: messageIdOf(record),
        attempts: outcome.attempts,
      })
      return
    case 'duplicate':
      // After a replay nearly all are duplicates, and on a compacted topic many are tombstones: no text is made that nobody reads.
      if (logger !== silentLogger) logger.debug({ record: formatPosition(record) }, 'a duplicate: it was done before')
      if (events.heard('duplicate'))
        events.emit('duplicate', { position: positionOf(record), messageId: messageIdOf(record) })
      return
    case 'parked': {
      const { deadLetterTopic, reason, errorType } = outcome
      logger.warn({ record: formatPosition(record), deadLetterTopic, reason, errorType }, 'a record is parked')
      events.emit('parked', { position: positionOf(record), deadLetterTopic, reason })
      return
    }
    case 'skipped':
      if (logger !== silentLogger)
        logger.info({ record: formatPosition(record), reason: outcome.reason }, 'a record is skipped')
      if (events.heard('skipped')) events.emit('skipped', { position: positionOf(record), reason: outcome.reason })
  }
}

import type { Failure } from '../dlq/index.ts'
import { errorTypeOf, HoldfastError } from '../errors/index.ts'
import type { InboundRecord } from '../record/index.ts'
import { formatPosition, positionOf } from '../record/index.ts'
import { goOn, insist, pausePartition } from './partition-pause.ts'
import type { Delivery } from './delivery.ts'
import type { Pipeline } from './pipeline.ts'
import type { RecordOutcome, Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'
import { whenConfirmed } from './when-confirmed.ts'

/**
 * Ends a record that cannot be handled: parked, and acknowledged as parked before this resolves. Without a dead letter topic it is
 * skipped and counted, or its partition waits for an operator.
 *
 * A dead letter topic that cannot be written pauses the partition until it can. The handler is not called again meanwhile, and the
 * record is not dropped. A crash in that time, or after the park, handles the record once more.
 */
export async function giveUp(
  delivery: Delivery,
  failure: Failure,
  pipeline: Pipeline,
): Promise<RecordOutcome | Unfinished> {
  const { record, messageId, observation } = delivery
  const { subscription, parking, epoch, groupId } = pipeline
  const { deadLetterTopic } = subscription
  if (deadLetterTopic === null || parking === null) return withoutParking(delivery, failure, pipeline)

  const request = {
    record,
    failure,
    groupId,
    messageId,
    trusted: subscription.trusted,
    traceHeaders: observation.headers,
  }
  const parked = await insist(
    delivery,
    pipeline,
    async () => {
      // At every try: an outage of the dead letter topic can be long, and the partition somebody else's at its end.
      await whenConfirmed(pipeline)
      if (pipeline.isSuspect()) throw unconfirmed(record)
      delivery.since = pipeline.runtime.clock.monotonic()
      return parking.park(deadLetterTopic, request, () => !epoch.dead)
    },
    (thrown) => messageOf(thrown, record),
    epochLost,
  )
  if (parked.kind === 'succeeded') {
    return {
      kind: 'parked',
      deadLetterTopic,
      reason: failure.reason,
      errorType: errorTypeOf(failure.error),
    }
  }
  if (!epoch.dead) return unfinished('stopping')
  pipeline.events.emit('stale-refused', { position: positionOf(record), operation: 'park' })
  return unfinished('epoch-lost')
}

async function withoutParking(
  delivery: Delivery,
  failure: Failure,
  pipeline: Pipeline,
): Promise<RecordOutcome | Unfinished> {
  const what = errorTypeOf(failure.error)
  if (pipeline.subscription.onExhausted === 'skip') {
    pipeline.logger.warn({ record: formatPosition(delivery.record), errorType: what }, 'a record has failed for good')
    return { kind: 'skipped', reason: failure.reason }
  }
  pausePartition(
    delivery,
    pipeline,
    `${formatPosition(delivery.record)} has failed for good (${what}) and there is no dead letter topic: mend the cause, then resume the topic`,
  )
  await pipeline.untilResumed()
  goOn(delivery, pipeline)
  return unfinished(pipeline.epoch.stopped ? 'stopping' : 'operator')
}

function unconfirmed(record: InboundRecord): HoldfastError {
  const message = `${formatPosition(record)} is not parked while the group does not confirm the membership`
  return new HoldfastError('HOLDFAST_UNAVAILABLE', message, { retriable: true })
}

function epochLost(thrown: unknown): thrown is HoldfastError {
  return HoldfastError.is(thrown, 'HOLDFAST_EPOCH_LOST')
}

function messageOf(thrown: unknown, record: InboundRecord): string {
  return HoldfastError.is(thrown) ? thrown.message : `${formatPosition(record)} cannot be parked`
}

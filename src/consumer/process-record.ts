import type { Readable } from './call-handler.ts'
import { abandonMessage, beginMessage, completeMessage, unguarded } from './claim.ts'
import { claimOffset, reportAbandoned } from './claim-offset.ts'
import type { Delivery } from './delivery.ts'
import { giveUp } from './give-up.ts'
import type { Handling } from './handle-message.ts'
import { handleMessage } from './handle-message.ts'
import type { Pipeline } from './pipeline.ts'
import { readRecord } from './read-record.ts'
import type { RecordOutcome, Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'
import type { Steps } from './steps.ts'
import { run, settled } from './steps.ts'

/**
 * Takes one record from bytes to its outcome. The order of the steps is the guarantee: handled, known as a duplicate, parked and
 * acknowledged as parked, or skipped by a declared rule, and only then may its offset move.
 *
 * An {@link Unfinished} moves nothing: the record is dispatched again, here or by the partition's next owner. So does a throw,
 * which only a bug can cause.
 *
 * It waits only for what is not there yet, and answers at once where all was.
 */
export function processRecord(
  delivery: Delivery,
  pipeline: Pipeline,
): RecordOutcome | Unfinished | Promise<RecordOutcome | Unfinished> {
  return run(stepsOf(delivery, pipeline))
}

function* stepsOf(delivery: Delivery, pipeline: Pipeline): Steps<RecordOutcome | Unfinished> {
  const { failpoint } = pipeline

  let reading = readRecord(delivery, pipeline)
  if (reading instanceof Promise) reading = yield* settled(reading)
  if (failpoint !== null) yield* settled(failpoint('process:decoded')) // a crash so far has left no trace: the record is read again
  if (reading.kind === 'unfinished') return reading
  if (reading.kind === 'malformed') return yield* settled(giveUp(delivery, reading.failure, pipeline)) // it never gets better
  if (reading.kind === 'tombstone' && pipeline.subscription.onTombstone === null)
    return { kind: 'skipped', reason: 'tombstone' }

  if (pipeline.subscription.delivery === 'at-most-once') return yield* onceAtMost(delivery, reading, pipeline)

  let claim = beginMessage(delivery, pipeline)
  if (claim instanceof Promise) claim = yield* settled(claim)
  if (claim.kind !== 'claim') return claim.kind === 'done' ? { kind: 'duplicate' } : claim
  let marked = false
  try {
    if (failpoint !== null) yield* settled(failpoint('process:begun')) // a crash here: the lease runs out, and the message begins its next attempt

    const called = handleMessage(delivery, reading, claim, pipeline)
    const handling = 'kind' in called ? called : yield* called
    if (failpoint !== null) yield* settled(failpoint('process:handled')) // a crash here repeats the effect: at least once. An inbox closes the gap
    if (handling.kind === 'unfinished') return handling
    if (isMarked(handling, pipeline)) {
      marked = true
      return handling
    }

    const end =
      handling.kind === 'failed'
        ? yield* settled(giveUp(delivery, handling.failure, pipeline)) // a crash after this parks it twice, never loses it
        : handling
    if (end.kind === 'unfinished') return end

    let completed = completeMessage(claim, end.kind === 'parked' ? 'parked' : 'handled', delivery, pipeline)
    if (completed instanceof Promise) completed = yield* settled(completed)
    if (completed !== 'completed') return completed
    marked = true
    if (failpoint !== null) yield* settled(failpoint('process:completed')) // a crash here: the record comes again, and the store knows it
    return end
  } finally {
    if (claim.lease !== null) {
      delivery.lease = null
      pipeline.leases?.release(claim.lease)
    }
    if (!marked && (claim.lease !== null || claim.counted)) yield* settled(abandonMessage(claim, delivery, pipeline))
  }
}

/** At most once: the offset first, then the handler, and nothing after it. */
function* onceAtMost(delivery: Delivery, reading: Readable, pipeline: Pipeline): Steps<RecordOutcome | Unfinished> {
  if (delivery.claimed) return { kind: 'skipped', reason: 'at-most-once' } // something else threw behind its handler, which is not called again
  const claimed = yield* settled(claimOffset(delivery, pipeline))
  if (claimed !== 'held') return unfinished('stopping')
  if (pipeline.failpoint !== null) yield* settled(pipeline.failpoint('process:claimed')) // a crash from here on loses it

  const called = handleMessage(delivery, reading, unguarded(), pipeline)
  const handling = 'kind' in called ? called : yield* called
  if (pipeline.failpoint !== null) yield* settled(pipeline.failpoint('process:handled'))
  if (handling.kind === 'unfinished') reportAbandoned(delivery, pipeline)
  return handling.kind === 'failed' ? yield* settled(giveUp(delivery, handling.failure, pipeline)) : handling
}

/** An inbox has marked what its handler has handled, in the same transaction; or has found the mark. */
function isMarked(
  handling: Handling,
  { inbox }: Pipeline,
): handling is Extract<Handling, { kind: 'handled' | 'duplicate' }> {
  return handling.kind === 'duplicate' || (inbox !== null && handling.kind === 'handled')
}

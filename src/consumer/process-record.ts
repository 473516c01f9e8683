import { abandonMessage, beginMessage, completeMessage } from './claim.ts'
import type { Delivery } from './delivery.ts'
import { giveUp } from './give-up.ts'
import { handleMessage } from './handle-message.ts'
import type { Pipeline } from './pipeline.ts'
import { readRecord } from './read-record.ts'
import type { RecordOutcome, Unfinished } from './record-outcome.ts'

/**
 * Takes one record from bytes to its outcome. The order of the steps is the guarantee: handled, known as a duplicate, parked and
 * acknowledged as parked, or skipped by a declared rule, and only then may its offset move.
 *
 * An {@link Unfinished} moves nothing: the record is dispatched again, here or by the partition's next owner. So does a throw,
 * which only a bug can cause.
 *
 * It awaits only what is not there yet: for a handler that does nothing, the awaits would cost more than all else.
 */
export async function processRecord(delivery: Delivery, pipeline: Pipeline): Promise<RecordOutcome | Unfinished> {
  const { failpoint } = pipeline

  let reading = readRecord(delivery, pipeline)
  if (reading instanceof Promise) reading = await reading
  if (failpoint !== null) await failpoint('process:decoded') // a crash so far has left no trace: the record is read again
  if (reading.kind === 'unfinished') return reading
  if (reading.kind === 'malformed') return giveUp(delivery, reading.failure, pipeline) // it never gets better
  if (reading.kind === 'tombstone' && pipeline.subscription.onTombstone === null)
    return { kind: 'skipped', reason: 'tombstone' }

  let claim = beginMessage(delivery, pipeline)
  if (claim instanceof Promise) claim = await claim
  if (claim.kind !== 'claim') return claim.kind === 'done' ? { kind: 'duplicate' } : claim
  let marked = false
  try {
    if (failpoint !== null) await failpoint('process:begun') // a crash here: the lease runs out, and the message begins its next attempt

    let handling = handleMessage(delivery, reading, claim, pipeline)
    if (handling instanceof Promise) handling = await handling
    if (failpoint !== null) await failpoint('process:handled') // a crash here repeats the effect: at least once. An inbox closes the gap
    if (handling.kind === 'unfinished') return handling

    const end =
      handling.kind === 'failed'
        ? await giveUp(delivery, handling.failure, pipeline) // a crash after this parks it twice, never loses it
        : handling
    if (end.kind === 'unfinished') return end

    let completed = completeMessage(claim, end.kind === 'parked' ? 'parked' : 'handled', delivery, pipeline)
    if (completed instanceof Promise) completed = await completed
    if (completed !== 'completed') return completed
    marked = true
    if (failpoint !== null) await failpoint('process:completed') // a crash here: the record comes again, and the store knows it
    return end
  } finally {
    if (claim.lease !== null) {
      delivery.lease = null
      pipeline.leases?.release(claim.lease)
      if (!marked) await abandonMessage(claim.lease, claim, pipeline)
    }
  }
}

import { MAX_TIMER_MS } from '../clock/index.ts'
import type { Failure } from '../dlq/index.ts'
import { DEAD_LETTER_HEADERS } from '../dlq/index.ts'
import { describeError } from '../errors/index.ts'
import type { Headers, InboundRecord } from '../record/index.ts'
import { withoutHeaders } from '../record/index.ts'
import type { AttemptFailure, Ruling } from '../retry/index.ts'
import { retry } from '../retry/index.ts'
import type { ProcessObservation } from '../telemetry/index.ts'
import type { Claim } from './claim.ts'
import type { ErrorVerdict } from './consumer.ts'
import { verdictOf } from './error-rules.ts'
import type { MessageContext } from './message.ts'
import type { HandlerOutcome } from './outcome.ts'
import { outcomeOf } from './outcome.ts'
import { pausePartition, resumePartition } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'
import type { Reading } from './read-record.ts'
import type { Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'
import { recordLogger } from './safe-logger.ts'

/** What came of calling the handler. */
export type Handling =
  | { readonly kind: 'handled'; readonly attempts: number }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | Unfinished

/** Calls the handler until it succeeds, has failed for good, has said what shall become of the message, or the epoch stops. */
export async function handleMessage(
  record: InboundRecord,
  reading: Exclude<Reading, { kind: 'malformed' }>,
  claim: Claim,
  pipeline: Pipeline,
  observation: ProcessObservation,
): Promise<Handling> {
  const { subscription, epoch, slots, runtime } = pipeline
  const { policyVerdict, ...rest } = { policyVerdict: null as ErrorVerdict | null, firstFailedAt: null as number | null }
  let verdict = policyVerdict
  let { firstFailedAt } = rest
  let interrupted = false

  if (claim.attempt > subscription.retry.maxAttempts) return neverEnded(claim, pipeline)
  const headers = subscription.trusted ? record.headers : withoutForged(record.headers)

  const call = async (attempt: number): Promise<HandlerOutcome | undefined> => {
    const full = slots.enter(epoch.stopSignal)
    if (full !== undefined) await full.catch(stopHere)
    try {
      if (epoch.stopped) stopHere()
      const context = contextOf(record, headers, attempt, pipeline)
      const said = outcomeOf(await observation.run(() => invoke(reading, context, pipeline)))
      if (said?.kind === 'retry-after' || said?.kind === 'pause-for') throw new Postponed(said)
      return said
    } finally {
      if (!interrupted) slots.leave()
    }
  }
  const stopHere = (): never => {
    interrupted = true
    throw new Error('nothing further begins')
  }
  const rule = (failed: AttemptFailure): Ruling => {
    // A handler that fails after its signal aborted has not failed over its message.
    interrupted ||= epoch.signal.aborted
    if (interrupted) return GIVE_UP
    firstFailedAt ??= runtime.clock.now()
    if (failed.thrown instanceof Postponed) return failed.thrown.ruling()
    verdict = verdictOf(failed.thrown, subscription.rules, pipeline.logger)
    if (verdict === 'retry') return RETRY
    return verdict === 'pause' ? WAIT : GIVE_UP
  }

  const result = await retry(call, {
    policy: subscription.retry,
    firstAttempt: claim.attempt,
    signal: epoch.stopSignal,
    runtime,
    rule,
    onWait: (failed, delayMs) => tellWait(record, failed, delayMs, verdict, pipeline, observation),
  })
  if (epoch.pause !== null) resumePartition(pipeline)

  if (result.kind === 'stopped') return unfinished('stopping')
  const now = runtime.clock.now()
  const failure = { attempts: result.attempts, firstFailedAt: firstFailedAt ?? now, lastFailedAt: now }
  if (result.kind === 'succeeded') {
    if (result.value?.kind === 'skip') return { kind: 'skipped', reason: result.value.reason }
    if (result.value?.kind !== 'park') return { kind: 'handled', attempts: result.attempts }
    const error = { name: 'park', message: result.value.reason }
    return { kind: 'failed', failure: { ...failure, reason: 'parked-by-handler', error } }
  }
  if (interrupted) return unfinished(epoch.dead ? 'epoch-lost' : 'stopping')
  if (verdict === 'stop') {
    pipeline.failConsumer(result.thrown)
    return unfinished('stop-rule')
  }
  const error = result.thrown instanceof Postponed ? result.thrown.description : describeError(result.thrown)
  if (verdict === 'skip') return { kind: 'skipped', reason: `an error rule skips ${error.code ?? error.name}` }
  return { kind: 'failed', failure: { ...failure, reason: 'handler-failed', error } }
}

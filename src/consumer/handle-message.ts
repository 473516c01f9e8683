import type { Failure } from '../dlq/index.ts'
import type { ErrorDescription } from '../errors/index.ts'
import { describeError, describeForLog, errorTypeOf, HoldfastError, isInstance } from '../errors/index.ts'
import { formatPosition, positionOf } from '../record/index.ts'
import type { AttemptFailure, Ruling } from '../retry/index.ts'
import { retry } from '../retry/index.ts'
import { isPromiseLike } from '../topic/index.ts'
import type { FinalWord, Readable } from './call-handler.ts'
import { callHandler, finalWord, Postponed } from './call-handler.ts'
import type { Claim } from './claim.ts'
import type { ErrorVerdict } from './subscription-options.ts'
import { verdictOf } from './error-rules.ts'
import { KnownByInbox } from './inbox-call.ts'
import { LeaseLetGo, LetsOthersGo, NothingBegins } from './nothing-begins.ts'
import { goOn, pausePartition, waitInLane } from './partition-pause.ts'
import type { Delivery } from './delivery.ts'
import type { Pipeline } from './pipeline.ts'
import type { Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'
import type { Steps } from './steps.ts'
import { settled } from './steps.ts'

/** What came of calling the handler. */
export type Handling =
  | { readonly kind: 'handled'; readonly attempts: number }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | Unfinished

/** Calls the handler until it succeeds, has failed for good, has said what shall become of the message, or the epoch stops. */
export function handleMessage(
  delivery: Delivery,
  reading: Readable,
  claim: Claim,
  pipeline: Pipeline,
): Handling | Steps<Handling> {
  const { attempt } = claim
  if (attempt > pipeline.subscription.retry.maxAttempts) return neverEnded(claim, pipeline)
  try {
    const returned = callHandler(delivery, reading, attempt, pipeline)
    return isPromiseLike(returned)
      ? endLater(returned, delivery, reading, claim, pipeline)
      : endOf(finalWord(returned), attempt, null, pipeline)
  } catch (thrown) {
    return settled(handleAgain(thrown, delivery, reading, claim, pipeline))
  }
}

function* endLater(
  returned: PromiseLike<unknown>,
  delivery: Delivery,
  reading: Readable,
  claim: Claim,
  pipeline: Pipeline,
): Steps<Handling> {
  try {
    return endOf(finalWord(yield* settled(returned)), claim.attempt, null, pipeline)
  } catch (thrown) {
    return yield* settled(handleAgain(thrown, delivery, reading, claim, pipeline))
  }
}

/** What follows a first failure: apart, since nearly all messages have none and need nothing of it. */
async function handleAgain(
  first: unknown,
  delivery: Delivery,
  reading: Readable,
  claim: Claim,
  pipeline: Pipeline,
): Promise<Handling> {
  const { observation } = delivery
  const { subscription, epoch, runtime } = pipeline
  let verdict: Ending = 'retry'
  let firstFailedAt: number | null = null

  const rule = ({ thrown, attempt }: AttemptFailure): Ruling => {
    const byItself = delivery.batch?.failedByItself(delivery) ?? false
    const ruling = ruleOn(thrown)
    const isInterrupted = verdict === 'interrupted' && !byItself // a batch ends later than its messages fail
    const isNoAttempt = isInterrupted || verdict === 'lease-lost' || verdict === 'lets-others-go'
    if (ruling.kind !== 'wait' && !isNoAttempt) claim.failedAttempts = attempt
    return ruling
  }
  const ruleOn = (thrown: unknown): Ruling => {
    if (isInstance(thrown, LeaseLetGo)) {
      verdict = 'lease-lost'
      return GIVE_UP
    }
    if (isInstance(thrown, LetsOthersGo)) {
      verdict = 'lets-others-go'
      return GIVE_UP
    }
    // A handler that fails after its signal has aborted fails over that, and not over its message.
    if (isInstance(thrown, NothingBegins) || epoch.signal.aborted) {
      verdict = 'interrupted'
      return GIVE_UP
    }
    firstFailedAt ??= runtime.clock.now()
    if (subscription.delivery === 'at-most-once') {
      if (!isInstance(thrown, Postponed)) verdict = verdictOf(thrown, subscription.rules, pipeline.logger)
      return GIVE_UP // whatever it was: its handler is called once
    }
    if (isInstance(thrown, Postponed)) {
      verdict = thrown.counts ? 'retry' : 'pause'
      return { kind: thrown.counts ? 'retry' : 'wait', delayMs: thrown.delayMs }
    }
    // The inbox's database does not answer: no fault of the message, and nothing that a rule could judge.
    const isOut = pipeline.inbox !== null && HoldfastError.is(thrown, 'HOLDFAST_STORE_UNAVAILABLE')
    verdict = isOut ? 'pause' : verdictOf(thrown, subscription.rules, pipeline.logger)
    if (verdict === 'retry') return RETRY
    return verdict === 'pause' ? WAIT : GIVE_UP
  }
  const onWait = (failure: AttemptFailure, delayMs: number): void => {
    const error = describe(failure.thrown)
    const errorType = errorTypeOf(error)
    observation.attemptFailed(failure.attempt, errorType)
    if (verdict === 'pause') {
      pausePartition(delivery, pipeline, `a dependency of the handler is out (${errorType})`)
      return
    }
    const reason = `attempt ${failure.attempt} failed (${errorType}); the next one follows`
    waitInLane(delivery, pipeline, { reason, unhealthy: false })
    pipeline.logger.info(
      { record: formatPosition(delivery.record), attempt: failure.attempt, delayMs, error: logged(failure.thrown) },
      'an attempt failed',
    )
    const position = positionOf(delivery.record)
    pipeline.events.emit('retrying', { position, attempt: failure.attempt, delayMs, error: failure.thrown })
  }

  const next = async (attempt: number): Promise<FinalWord> =>
    finalWord(await callHandler(delivery, reading, attempt, pipeline))
  const stop = epoch.ownStop()
  const result = await retry(next, {
    policy: subscription.retry,
    firstAttempt: claim.attempt,
    firstFailure: { thrown: first },
    signal: stop.signal,
    runtime,
    rule,
    onWait,
  })
  stop.forget()
  if (delivery.wait !== null) goOn(delivery, pipeline)
  if (result.kind === 'stopped') return unfinished('stopping')

  const { attempts } = result
  if (result.kind === 'succeeded') return endOf(result.value, attempts, firstFailedAt, pipeline)
  const ending = verdict as Ending // the rule has set it; control flow cannot see that
  if (ending === 'lease-lost' || ending === 'lets-others-go') return unfinished(ending)
  if (ending === 'interrupted') return unfinished(epoch.dead ? 'epoch-lost' : 'stopping')
  if (ending === 'stop') {
    pipeline.failConsumer(result.thrown)
    return unfinished('stop-rule')
  }
  const error = describe(result.thrown)
  if (ending === 'skip') return { kind: 'skipped', reason: `an error rule: ${errorTypeOf(error)}` }
  const now = runtime.clock.now()
  return failed({ reason: 'handler-failed', attempts, firstFailedAt: firstFailedAt ?? now, lastFailedAt: now, error })
}

/** What is to follow from a failure: what a rule says, or what has nothing to do with the message. */
type Ending = ErrorVerdict | 'interrupted' | 'lease-lost' | 'lets-others-go'

/** What the handler has said at its end. */
function endOf(said: FinalWord, attempts: number, firstFailedAt: number | null, { runtime }: Pipeline): Handling {
  if (said === null) return { kind: 'handled', attempts }
  if (said instanceof KnownByInbox) return { kind: 'duplicate' }
  if (said.kind === 'skip') return { kind: 'skipped', reason: said.reason }
  const now = runtime.clock.now()
  const error = { name: 'park', message: said.reason }
  return failed({
    reason: 'parked-by-handler',
    attempts,
    firstFailedAt: firstFailedAt ?? now,
    lastFailedAt: now,
    error,
  })
}

const RETRY: Ruling = { kind: 'retry' }
const WAIT: Ruling = { kind: 'wait' }
const GIVE_UP: Ruling = { kind: 'give-up' }

function failed(failure: Failure): Handling {
  return { kind: 'failed', failure }
}

function describe(thrown: unknown): ErrorDescription {
  return isInstance(thrown, Postponed) ? thrown.description : describeError(thrown)
}

function logged(thrown: unknown): object {
  return isInstance(thrown, Postponed) ? thrown.description : describeForLog(thrown)
}

/**
 * The store knows of more beginnings than there are attempts, and of no end: each time the process went down, or was interrupted.
 * Calling once more would let a message that kills its process do so for ever.
 */
function neverEnded({ attempt }: Claim, { runtime }: Pipeline): Handling {
  const now = runtime.clock.now()
  const message = `begun ${attempt - 1} times and never ended: the process went down, or was interrupted, while it was handled`
  const error = { name: 'NeverEnded', message }
  return failed({ reason: 'handler-failed', attempts: attempt - 1, firstFailedAt: now, lastFailedAt: now, error })
}

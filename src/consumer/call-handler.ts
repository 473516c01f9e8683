import { MAX_TIMER_MS } from '../clock/index.ts'
import type { ErrorDescription } from '../errors/index.ts'
import { nothingProcessed } from '../telemetry/index.ts'
import { callInBatch } from './batch-call.ts'
import type { Delivery } from './delivery.ts'
import { nothingBegins, untilNothingBegins } from './delivery-level.ts'
import { endOfLateCall, untilTimeout } from './handler-call.ts'
import { HandlerContext } from './handler-context.ts'
import { KnownByInbox, callInInbox } from './inbox-call.ts'
import { NothingBegins } from './nothing-begins.ts'
import type { HandlerOutcome } from './outcome.ts'
import { handlerOutcomeOf } from './outcome.ts'
import { goOn } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'
import type { Reading } from './read-record.ts'
import type { Subscription } from './subscription.ts'
import { whenConfirmed } from './when-confirmed.ts'

/** What can be handed to a handler. */
export type Readable = Exclude<Reading, { kind: 'malformed' }>

/** What a handler said of its message at its end; null when it simply handled it. */
export type FinalWord = Extract<HandlerOutcome, { kind: 'park' | 'skip' }> | KnownByInbox | null

/**
 * Calls the handler once, in a place of its own. Resolves with what it returns: see {@link finalWord}.
 *
 * @throws (thrown, or rejected by the promise) what the handler throws; HOLDFAST_HANDLER_TIMEOUT when it has not ended in time;
 * {@link NothingBegins} when the epoch has stopped before the call.
 */
export function callHandler(delivery: Delivery, reading: Readable, attempt: number, pipeline: Pipeline): unknown {
  const mayCall = delivery.hasPlace && delivery.wait === null && delivery.late === null
  delivery.since = pipeline.runtime.clock.monotonic() // now: the process may have been suspended since the record was read
  return mayCall && !pipeline.isSuspect(delivery.since)
    ? callNow(delivery, reading, attempt, pipeline)
    : callWhenPossible(delivery, reading, attempt, pipeline)
}

async function callWhenPossible(
  delivery: Delivery,
  reading: Readable,
  attempt: number,
  pipeline: Pipeline,
): Promise<unknown> {
  const { batch } = delivery
  if (batch !== null && reading.kind === 'message')
    return callInBatch(delivery, batch, reading.message, attempt, pipeline)
  if (delivery.late !== null) {
    const late = await endOfLateCall(delivery, delivery.late, pipeline)
    if (late.kind === 'resolved') return late.returned // it has handled its message after all
  }
  if (!delivery.hasPlace) await takePlace(delivery, pipeline)
  await whenConfirmed(pipeline)
  if (delivery.wait?.gates === false) goOn(delivery, pipeline) // the wait between two attempts is over
  delivery.since = pipeline.runtime.clock.monotonic()
  return callNow(delivery, reading, attempt, pipeline)
}

function callNow(delivery: Delivery, reading: Readable, attempt: number, pipeline: Pipeline): unknown {
  if (nothingBegins(pipeline)) throw new NothingBegins() // the partition went while the record was read, begun, or waited for its place
  const { observation } = delivery
  const context = new HandlerContext(delivery, attempt, pipeline)
  const returned =
    observation === nothingProcessed
      ? invoke(reading, context, delivery, pipeline)
      : observation.run(() => invoke(reading, context, delivery, pipeline))
  return untilTimeout(returned, context, delivery, pipeline)
}

/** The handler asks to be called at another time. */
export class Postponed extends Error {
  /** Does the attempt count? */
  readonly counts: boolean
  /** Undefined when what it asked for is no time: the retry options then decide. */
  readonly delayMs: number | undefined
  readonly description: ErrorDescription
  constructor({ kind, delayMs }: Extract<HandlerOutcome, { kind: 'retry-after' | 'pause-for' }>) {
    super(kind)
    this.counts = kind === 'retry-after'
    this.delayMs = Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), MAX_TIMER_MS)
    this.description = {
      name: this.counts ? 'retryAfter' : 'pauseFor',
      message: 'the handler asked to be called again later',
    }
  }
}

async function takePlace(delivery: Delivery, pipeline: Pipeline): Promise<void> {
  const { dispatcher, subscription } = pipeline
  await dispatcher.enter(subscription.bound, untilNothingBegins(pipeline))
  delivery.hasPlace = true
}

function invoke(reading: Readable, context: HandlerContext, delivery: Delivery, pipeline: Pipeline): unknown {
  const { inbox, subscription } = pipeline
  if (inbox === null) return invokeHandler(reading, context, subscription)
  return callInInbox(inbox, () => invokeHandler(reading, context, subscription), context, delivery, pipeline)
}

function invokeHandler(reading: Readable, context: HandlerContext, { handler, onTombstone }: Subscription): unknown {
  if (reading.kind === 'tombstone') return onTombstone?.(context)
  return handler(reading.message, context)
}

/**
 * What the handler has said of its message.
 *
 * @throws {@link Postponed} when it asks for another time.
 */
export function finalWord(returned: unknown): FinalWord {
  if (returned instanceof KnownByInbox) return returned
  const said = handlerOutcomeOf(returned)
  if (said?.kind === 'retry-after' || said?.kind === 'pause-for') throw new Postponed(said)
  return said
}

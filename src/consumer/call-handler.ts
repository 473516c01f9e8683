import { MAX_TIMER_MS } from '../clock/index.ts'
import type { ErrorDescription } from '../errors/index.ts'
import type { Headers, InboundRecord } from '../record/index.ts'
import { withoutHeaders } from '../record/index.ts'
import type { Delivery } from './delivery.ts'
import { endOfLateCall, untilTimeout } from './handler-call.ts'
import { HandlerContext } from './handler-context.ts'
import { NothingBegins } from './nothing-begins.ts'
import type { HandlerOutcome } from './outcome.ts'
import { handlerOutcomeOf } from './outcome.ts'
import { goOn } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'
import type { Reading } from './read-record.ts'
import type { Subscription } from './subscription.ts'

/** What can be handed to a handler. */
export type Readable = Exclude<Reading, { kind: 'malformed' }>

/** What a handler said of its message at its end; null when it simply handled it. */
export type FinalWord = Extract<HandlerOutcome, { kind: 'park' | 'skip' }> | null

/**
 * Calls the handler once, in a place of its own.
 *
 * @throws what the handler throws; HOLDFAST_HANDLER_TIMEOUT when it has not ended in time; {@link Postponed} when it asks for another
 * time; {@link NothingBegins} when the epoch has stopped before the call.
 */
export async function callHandler(
  delivery: Delivery,
  reading: Readable,
  headers: Headers,
  attempt: number,
  pipeline: Pipeline,
): Promise<FinalWord> {
  const { epoch, subscription } = pipeline
  if (delivery.late !== null) {
    const late = await endOfLateCall(delivery, delivery.late, pipeline)
    if (late.kind === 'resolved') return finalWord(late.returned) // it has handled its message after all
  }
  if (!delivery.hasPlace && delivery.batch === null) await takePlace(delivery, pipeline)
  if (pipeline.isSuspect()) await pipeline.confirmMembership()
  if (delivery.wait?.gates === false) goOn(delivery, pipeline) // the wait between two attempts is over
  delivery.since = pipeline.runtime.clock.monotonic()
  if (epoch.stopped) throw new NothingBegins() // the partition went while the record was read, begun, or waited for its place

  const context = new HandlerContext(delivery, headers, attempt, pipeline)
  const call = (): unknown => invoke(reading, context, delivery, subscription)
  const returned = delivery.observation.run(call)
  return finalWord(await untilTimeout(returned, context, delivery, pipeline))
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

/** The headers a handler may see: on a topic that others write, what only our own topics may carry is a forgery. */
export function handlerHeaders({ headers }: InboundRecord, { trusted }: Subscription): Headers {
  if (trusted || !headers.some(([name]) => isForged(name))) return headers
  return withoutHeaders(headers, isForged)
}

function isForged(name: string): boolean {
  return name.startsWith('holdfast-dlq-') || name.startsWith('holdfast-retry-')
}

async function takePlace(delivery: Delivery, { dispatcher, subscription, epoch }: Pipeline): Promise<void> {
  const free = dispatcher.enter(subscription.bound, epoch.stopSignal)
  if (free !== undefined) {
    await free.catch(() => {
      throw new NothingBegins()
    })
  }
  delivery.hasPlace = true
}

function invoke(reading: Readable, context: HandlerContext, delivery: Delivery, subscription: Subscription): unknown {
  const { handler, onTombstone } = subscription
  if (reading.kind === 'tombstone') return onTombstone?.(context)
  if (delivery.batch !== null) return delivery.batch.join(delivery, reading.message, context)
  return handler(reading.message, context)
}

function finalWord(returned: unknown): FinalWord {
  const said = handlerOutcomeOf(returned)
  if (said?.kind === 'retry-after' || said?.kind === 'pause-for') throw new Postponed(said)
  return said
}

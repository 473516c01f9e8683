import { MAX_TIMER_MS } from '../clock/index.ts'
import type { ErrorDescription } from '../errors/index.ts'
import type { Headers, InboundRecord } from '../record/index.ts'
import { withoutHeaders } from '../record/index.ts'
import type { MessageContext } from './message.ts'
import type { HandlerOutcome } from './outcome.ts'
import { handlerOutcomeOf } from './outcome.ts'
import type { Delivery, Pipeline } from './pipeline.ts'
import type { Reading } from './read-record.ts'
import { recordLogger } from './safe-logger.ts'
import type { Subscription } from './subscription.ts'

/** What can be handed to a handler. */
export type Readable = Exclude<Reading, { kind: 'malformed' }>

/** What a handler said of its message at its end; null when it simply handled it. */
export type FinalWord = Extract<HandlerOutcome, { kind: 'park' | 'skip' }> | null

/**
 * Calls the handler once, in a slot of its own.
 *
 * @throws what the handler throws; {@link Postponed} when it asks for another time; {@link NothingBegins} when the epoch has
 * stopped before the call.
 */
export async function callHandler(
  delivery: Delivery,
  reading: Readable,
  headers: Headers,
  attempt: number,
  pipeline: Pipeline,
): Promise<FinalWord> {
  const { epoch, slots } = pipeline
  if (pipeline.isSuspect()) await pipeline.confirmMembership()
  const wait = slots.enter(epoch.stopSignal)
  if (wait !== undefined) await wait.catch(nothingBegins)
  try {
    if (pipeline.isSuspect()) await pipeline.confirmMembership() // the slot may have come long after the last look
    if (epoch.pause?.unhealthy === false) epoch.setPause(null) // the wait between two attempts is over
    pipeline.began()
    if (epoch.stopped) nothingBegins() // the partition went while the record was read, begun, or waited for its slot
    const context = contextOf(delivery, headers, attempt, pipeline)
    const said = handlerOutcomeOf(await delivery.observation.run(() => invoke(reading, context, pipeline.subscription)))
    if (said?.kind === 'retry-after' || said?.kind === 'pause-for') throw new Postponed(said)
    return said
  } finally {
    slots.leave()
  }
}

/** The handler was not called: the epoch has stopped. */
export class NothingBegins extends Error {}

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

function nothingBegins(): never {
  throw new NothingBegins('the epoch has stopped')
}

function invoke(
  reading: Readable,
  context: MessageContext,
  { handler, onTombstone }: Subscription,
): ReturnType<typeof handler> {
  return reading.kind === 'message' ? handler(reading.message, context) : onTombstone?.(context)
}

function contextOf({ record, again }: Delivery, headers: Headers, attempt: number, pipeline: Pipeline): MessageContext {
  const { topic, partition, offset, key } = record
  return {
    record,
    topic,
    partition,
    offset,
    key,
    headers,
    attempt,
    redelivered: attempt > 1 || again,
    signal: pipeline.epoch.signal,
    log: recordLogger(pipeline.logger, record),
  }
}

import { HoldfastError } from '../errors/index.ts'
import type { Position } from '../record/index.ts'
import { formatPosition } from '../record/index.ts'
import { isPromiseLike } from '../topic/index.ts'
import type { Delivery, LateCall, LateEnd } from './delivery.ts'
import type { HandlerContext } from './handler-context.ts'
import { LeaseLetGo, NothingBegins } from './nothing-begins.ts'
import { handlerOutcomeOf } from './outcome.ts'
import { waitInLane } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Waits for the end of a call of the handler, and for its `ack` where that is asked for. When the time is over the attempt has failed,
 * and the call goes on as a late one: nothing else of its lane begins in this process before it has ended.
 *
 * @throws what the handler throws; HOLDFAST_HANDLER_TIMEOUT; {@link NothingBegins} when the epoch is aborted before the `ack`.
 */
export function untilTimeout(
  returned: unknown,
  context: HandlerContext,
  delivery: Delivery,
  pipeline: Pipeline,
): unknown {
  const manual = pipeline.subscription.ack === 'manual'
  if (!isPromiseLike(returned) && (!manual || isSettled(returned, context))) {
    context.ended()
    return returned
  }
  return new Promise((resolve, reject) => {
    const { timeouts, epoch } = pipeline
    let late: ((end: LateEnd) => void) | null = null
    let over = false
    let stopListening: (() => void) | null = null
    const settle = (then: () => void): void => {
      over = true
      timeouts.end(watched)
      context.ended()
      context.onAck = null
      stopListening?.()
      then()
    }
    const abandoned = (): void => {
      if (ended) settle(() => reject(new NothingBegins())) // the call itself has ended; only its ack was missing
    }
    let ended = false
    let value: unknown
    const resolved = (said: unknown): void => {
      ended = true
      value = said
      if (late !== null)
        late(!manual || isSettled(said, context) ? { kind: 'resolved', returned: said } : { kind: 'unacknowledged' })
      else if (over) return
      else if (!manual || isSettled(said, context)) settle(() => resolve(said))
      else if (epoch.signal.aborted) abandoned()
    }
    const rejected = (thrown: unknown): void => {
      ended = true
      if (late !== null) late({ kind: 'rejected' })
      else if (!over) settle(() => reject(thrown as Error))
    }
    const watched = timeouts.watch(() => {
      const timedOut = timeout(context, ended ? 'has ended and was not acknowledged' : 'has not ended', pipeline)
      if (!ended) delivery.late = lateCall(delivery, pipeline, (end) => (late = end))
      settle(() => reject(timedOut))
      context.abort(timedOut)
    })
    if (manual) {
      context.onAck = () => {
        if (ended && !over) settle(() => resolve(value))
      }
      stopListening = epoch.onAbort(abandoned)
    }
    if (isPromiseLike(returned)) returned.then(resolved, rejected)
    else resolved(returned)
  })
}

/** Handlers that say what shall become of their message need not acknowledge it. */
function isSettled(said: unknown, { acknowledged }: HandlerContext): boolean {
  return acknowledged || handlerOutcomeOf(said) !== null
}

/**
 * Waits until a call that has timed out has ended, since two of one key must not run at once. Its key waits, and health says so.
 *
 * @throws {@link NothingBegins} when the epoch stops before that; {@link LeaseLetGo} when it failed, and the message has to begin anew.
 */
export async function endOfLateCall(delivery: Delivery, late: LateCall, pipeline: Pipeline): Promise<LateEnd> {
  const { epoch } = pipeline
  if (!late.hasEnded) waitInLane(delivery, pipeline, { reason: stillRunning(delivery.record), unhealthy: true })
  let stopListening: (() => void) | null = null
  const stopped = new Promise<null>((resolve) => {
    if (epoch.stopped) resolve(null)
    else stopListening = epoch.onStop(() => resolve(null))
  })
  const end = await Promise.race([late.ended, stopped]).finally(() => stopListening?.())
  if (end === null) throw new NothingBegins()
  delivery.late = null
  if (end.kind !== 'resolved' && pipeline.leases !== null) throw new LeaseLetGo()
  return end
}

/** What health says of a late call. */
export function stillRunning(record: Position): string {
  return `the handler of ${formatPosition(record)} has timed out and has not ended; its key waits for that`
}

function timeout(context: HandlerContext, what: string, { subscription, events, logger }: Pipeline): HoldfastError {
  const { attempt } = context
  const afterMs = subscription.handlerTimeoutMs
  const message = `${formatPosition(context)}: the handler ${what} after ${afterMs} ms`
  logger.warn({ record: formatPosition(context), attempt, afterMs }, `a handler ${what} in its time; its signal aborts`)
  events.emit('timed-out', { position: positionOf(context), attempt, afterMs })
  return new HoldfastError('HOLDFAST_HANDLER_TIMEOUT', message, { retriable: true })
}

function lateCall(delivery: Delivery, pipeline: Pipeline, listen: (end: (how: LateEnd) => void) => void): LateCall {
  const { runtime, events, logger, leases } = pipeline
  if (delivery.lease !== null) leases?.release(delivery.lease) // whoever holds the message next need not wait for a call that may never end
  const { since, record } = delivery
  let end!: (how: LateEnd) => void
  const late = { hasEnded: false, ended: new Promise<LateEnd>((resolve) => (end = resolve)) }
  listen((how) => {
    late.hasEnded = true
    const afterMs = Math.round(runtime.clock.monotonic() - since)
    logger.warn({ record: formatPosition(record), afterMs, ended: how.kind }, 'a handler that had timed out has ended')
    const ended = how.kind === 'rejected' ? 'rejected' : 'resolved'
    events.emit('late', { position: positionOf(record), afterMs, ended })
    end(how)
  })
  return late
}

function positionOf({ topic, partition, offset }: Position): Position {
  return { topic, partition, offset }
}

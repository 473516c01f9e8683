import { HoldfastError } from '../errors/index.ts'
import type { Position } from '../record/index.ts'
import { formatPosition, positionOf } from '../record/index.ts'
import { isPromiseLike } from '../topic/index.ts'
import type { Delivery, LateCall, LateEnd } from './delivery.ts'
import type { HandlerContext } from './handler-context.ts'
import type { Watched } from './handler-timeouts.ts'
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
  return new TimedCall(context, delivery, pipeline, manual).follow(returned)
}

/** A call that has not ended. A class, since there is one for each message whose handler awaits something. */
class TimedCall implements Watched {
  dueAt = 0
  earlier: Watched | null = null
  later: Watched | null = null
  chained = false
  readonly #context: HandlerContext
  readonly #delivery: Delivery
  readonly #pipeline: Pipeline
  readonly #manual: boolean
  #settlement: { readonly value: unknown } | { readonly reason: unknown } | null = null
  #onResolved: ((value: unknown) => void) | null = null
  #onRejected: ((reason: unknown) => void) | null = null
  /** Is it decided what the attempt came to? */
  #over = false
  /** Has the handler ended? */
  #ended = false
  #said: unknown
  #late: ((end: LateEnd) => void) | null = null
  #stopListening: (() => void) | null = null

  constructor(context: HandlerContext, delivery: Delivery, pipeline: Pipeline, manual: boolean) {
    this.#context = context
    this.#delivery = delivery
    this.#pipeline = pipeline
    this.#manual = manual
  }

  /** Not a promise, since it has one listener, which is told in the same turn. */
  // oxlint-disable-next-line no-thenable -- it is waited for like one
  then(onResolved: (value: unknown) => void, onRejected: (reason: unknown) => void): void {
    this.#onResolved = onResolved
    this.#onRejected = onRejected
    this.#tell()
  }

  #resolve(value: unknown): void {
    this.#settlement = { value }
    this.#tell()
  }

  #reject(reason: unknown): void {
    this.#settlement = { reason }
    this.#tell()
  }

  #tell(): void {
    const settlement = this.#settlement
    if (settlement === null) return
    if ('value' in settlement) this.#onResolved?.(settlement.value)
    else this.#onRejected?.(settlement.reason)
  }

  follow(returned: unknown): this {
    this.#pipeline.timeouts.watch(this)
    this.#context.onCalledAnew = () => this.#calledAnew()
    if (this.#manual) {
      this.#context.onAck = () => this.#acknowledged()
      this.#stopListening = this.#pipeline.epoch.onAbort(() => this.#aborted())
    }
    if (isPromiseLike(returned)) {
      try {
        returned.then(
          (said) => this.#resolved(said),
          (thrown: unknown) => this.#rejected(thrown),
        )
      } catch (thrown) {
        this.#rejected(thrown) // an imitation of a promise; left watched, it would be told to have timed out long after its end
      }
    } else this.#resolved(returned)
    return this
  }

  #calledAnew(): void {
    if (this.#over) return
    this.#pipeline.timeouts.end(this)
    this.#pipeline.timeouts.watch(this)
  }

  onTimeout(): void {
    const what = this.#ended ? 'has ended and was not acknowledged' : 'has not ended'
    const timedOut = timeout(this.#context, what, this.#pipeline)
    if (!this.#ended) this.#delivery.late = lateCall(this.#delivery, this.#pipeline, (end) => (this.#late = end))
    this.#close()
    this.#context.abort(timedOut)
    this.#reject(timedOut)
  }

  #resolved(said: unknown): void {
    this.#ended = true
    this.#said = said
    const isDone = !this.#manual || isSettled(said, this.#context)
    if (this.#late !== null) this.#late(isDone ? { kind: 'resolved', returned: said } : { kind: 'unacknowledged' })
    else if (this.#over) return
    else if (isDone) {
      this.#close()
      this.#resolve(said)
    } else if (this.#pipeline.epoch.signal.aborted) this.#aborted()
  }

  #rejected(thrown: unknown): void {
    this.#ended = true
    if (this.#late !== null) this.#late({ kind: 'rejected' })
    if (this.#late !== null || this.#over) return
    this.#close()
    this.#reject(thrown)
  }

  #acknowledged(): void {
    if (!this.#ended || this.#over) return
    this.#close()
    this.#resolve(this.#said)
  }

  /** The call itself has ended; only its ack was missing. */
  #aborted(): void {
    if (!this.#ended || this.#over) return
    this.#close()
    this.#reject(new NothingBegins())
  }

  #close(): void {
    this.#over = true
    this.#pipeline.timeouts.end(this)
    this.#context.ended()
    this.#context.onAck = this.#context.onCalledAnew = null
    this.#stopListening?.()
  }
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

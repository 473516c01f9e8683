import type { Logger } from '../logger/index.ts'
import type { Headers, InboundRecord } from '../record/index.ts'
import type { Delivery } from './delivery.ts'
import { handlerHeaders } from './forged-headers.ts'
import type { MessageContext } from './message.ts'
import type { Pipeline } from './pipeline.ts'
import { recordLogger } from './record-logger.ts'

/**
 * What one call of a handler is told. What most handlers never ask for is made when they do: a signal for each of a few hundred thousand
 * messages a second would cost more than all else.
 */
export class HandlerContext implements MessageContext<unknown> {
  readonly record: InboundRecord
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly attempt: number
  readonly redelivered: boolean
  /** Whatever its inbox gives. */
  tx: unknown = undefined
  /** Has the handler said that the message is handled? */
  acknowledged = false
  /** Called by the first `ack`. */
  onAck: (() => void) | null = null
  /** Called when the time of the call begins anew. */
  onCalledAnew: (() => void) | null = null
  readonly #pipeline: Pipeline
  #since: number
  #abort: AbortController | null = null
  #reason: Error | null = null
  #log: Logger | null = null
  #stopListening: (() => void) | null = null
  #hasEnded = false

  constructor({ record, again, since }: Delivery, attempt: number, pipeline: Pipeline) {
    this.record = record
    this.topic = record.topic
    this.partition = record.partition
    this.offset = record.offset
    this.attempt = attempt
    this.redelivered = attempt > 1 || again
    this.#pipeline = pipeline
    this.#since = since
  }

  get key(): Uint8Array | null {
    return this.record.key
  }

  get headers(): Headers {
    return handlerHeaders(this.record, this.#pipeline.subscription)
  }

  get signal(): AbortSignal {
    if (this.#abort !== null) return this.#abort.signal
    const abort = (this.#abort = new AbortController())
    const { epoch } = this.#pipeline
    if (this.#reason !== null) abort.abort(this.#reason)
    else if (this.#hasEnded) return abort.signal
    else if (epoch.signal.aborted) abort.abort(epoch.signal.reason)
    else this.#stopListening = epoch.onAbort(() => abort.abort(epoch.signal.reason))
    return abort.signal
  }

  get deadline(): Date {
    const { subscription, runtime } = this.#pipeline
    const leftMs = this.#since + subscription.handlerTimeoutMs - runtime.clock.monotonic()
    return new Date(runtime.clock.now() + leftMs) // oxlint-disable-line no-restricted-globals -- made of our clock's time
  }

  get log(): Logger {
    return (this.#log ??= recordLogger(this.#pipeline.logger, this.record))
  }

  // A function of its own, so that a handler can take it out of the context.
  get ack(): () => void {
    return () => {
      if (this.acknowledged) return
      this.acknowledged = true
      if (this.onAck !== null) this.onAck()
      else if (this.#hasEnded && this.#pipeline.subscription.ack === 'manual')
        this.log.debug({ attempt: this.attempt }, 'an ack came too late: its attempt was over')
    }
  }

  /** Its handler is called once more for the same attempt, as when its transaction has collided: with all the time of a call. */
  calledAnew(): void {
    this.#since = this.#pipeline.runtime.clock.monotonic()
    this.onCalledAnew?.()
  }

  /** Aborts the signal. */
  abort(reason: Error): void {
    this.#reason = reason
    this.#abort?.abort(reason)
  }

  /** The call has ended: its signal aborts no more. */
  ended(): void {
    this.#hasEnded = true
    this.#stopListening?.()
  }
}

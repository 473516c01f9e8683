import { HoldfastError } from '../errors/index.ts'
import type { ErrorCode } from '../errors/index.ts'
import { formatPartition } from '../record/index.ts'
import type { SendObservation } from '../telemetry/index.ts'
import type { EncodedMessage } from '../topic/index.ts'
import type { SendManyOutcome } from './producer.ts'

/**
 * Where a send is on its way. `handed` alone means that it may be on the log; a batch that came back with "nothing was written"
 * makes it `queued` again.
 */
export type SendPhase = 'preparing' | 'buffering' | 'routing' | 'queued' | 'handed' | 'ended'

/** What ends beside the caller's wait. */
export interface SendHooks {
  /** Called once, before the caller hears. */
  onEnd(send: PendingSend): void
}

/** One send, from the call to its end. It ends once; whoever comes later is not heard. */
export class PendingSend {
  phase: SendPhase = 'preparing'
  /** Set when it is prepared; gone when it has ended, so that what still points here holds no payload. */
  message: EncodedMessage | undefined
  size = 0
  partition: number | undefined
  /** Was its topic looked at again on its account? That is done once. */
  lookedAgain = false
  /** Was it given time for the driver's own verdict? */
  inGrace = false
  /** Why the last attempt wrote nothing. */
  lastError: HoldfastError | undefined
  observation: SendObservation | undefined
  /** For {@link SendBuffer}: what it has taken of it. */
  bufferedBytes = 0
  /** For {@link Deadlines}: the moment, the list that it stands in, and its neighbours there. */
  deadline = 0
  timeoutMs: number | undefined
  previous: PendingSend | undefined
  next: PendingSend | undefined
  /** For flushes: who waits for the end. */
  waiters: Array<() => void> | undefined

  readonly topic: string
  readonly givenId: string | undefined
  /** May it wait for room in the buffer? */
  readonly waits: boolean
  readonly #hooks: SendHooks
  readonly #settle: (outcome: SendManyOutcome) => void
  #id: string | undefined

  constructor(
    topic: string,
    givenId: string | undefined,
    waits: boolean,
    hooks: SendHooks,
    settle: (outcome: SendManyOutcome) => void,
  ) {
    this.topic = topic
    this.givenId = givenId
    this.waits = waits
    this.#hooks = hooks
    this.#settle = settle
  }

  get isOver(): boolean {
    return this.phase === 'ended'
  }

  /** Has it its final bytes? */
  get isPrepared(): boolean {
    return this.message !== undefined
  }

  get id(): string | undefined {
    return this.#id ?? this.givenId
  }

  /** The message has its final bytes. */
  prepared(message: EncodedMessage, size: number): void {
    this.message = message
    this.#id = message.id
    this.size = size
  }

  succeed(partition: number, offset: bigint): void {
    if (this.isOver) return
    this.partition = partition
    this.observation?.succeeded(partition, offset)
    this.#end({ ok: true, result: { id: this.#id!, topic: this.topic, partition, offset } })
  }

  fail(error: HoldfastError): void {
    if (this.isOver) return
    this.observation?.failed(error.code)
    this.#end({ ok: false, error })
  }

  /**
   * Gives up on it: with `HOLDFAST_INDETERMINATE` when it was handed over, else with a code that says that nothing was written.
   *
   * @param why - goes on after "a send to orders[3]"
   */
  giveUp(code: ErrorCode, why: string, cause: unknown = this.lastError): void {
    if (this.isOver) return
    const handed = this.phase === 'handed'
    const place =
      this.partition === undefined ? this.topic : formatPartition({ topic: this.topic, partition: this.partition })
    const message = handed
      ? `a send to ${place} ${why} after it was handed over: it may or may not have been written`
      : `a send to ${place} ${why}: nothing was written`
    const details = cause === undefined ? {} : { cause }
    this.fail(new HoldfastError(handed ? 'HOLDFAST_INDETERMINATE' : code, message, details))
  }

  #end(outcome: SendManyOutcome): void {
    this.phase = 'ended'
    this.#hooks.onEnd(this)
    this.message = undefined
    this.#settle(outcome)
    if (this.waiters !== undefined) for (const tell of this.waiters) tell()
  }
}

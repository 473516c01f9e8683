import type { HoldfastError } from '../errors/index.ts'
import type { AnySendableTopic, Key, MessageOptions, MessagesToSend, SendableTopic, Topic } from '../topic/index.ts'

/** How long a send may take, and what can end it. */
export interface DeliveryOptions {
  /**
   * How long, in milliseconds from the call, until a send that is not acknowledged fails. 1 to 2^31 − 1. What had not been
   * handed to the broker fails `HOLDFAST_DELIVERY_TIMEOUT` (nothing was written), what had `HOLDFAST_INDETERMINATE`; the latter
   * may come a quarter of a second late, since the driver has the same deadline and may know for certain.
   *
   * @defaultValue the producer's `deliveryTimeoutMs`
   */
  readonly deliveryTimeoutMs?: number
  /** Ends the wait. What was not handed to the broker is withdrawn (`HOLDFAST_ABORTED`); what was ends `HOLDFAST_INDETERMINATE`. */
  readonly signal?: AbortSignal
}

export interface SendOptions extends MessageOptions, DeliveryOptions {}

/** A message that the broker has acknowledged, on all in-sync replicas. */
export interface SendResult {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** How one message of a `sendMany` ended. */
export type SendManyOutcome =
  { readonly ok: true; readonly result: SendResult } | { readonly ok: false; readonly error: HoldfastError }

/** A message whose send had not ended when its producer closed. */
export interface UnconfirmedMessage {
  readonly topic: string
  /** Absent when it was not chosen yet: then nothing was written. */
  readonly partition?: number
  /** Absent when its validator had not answered yet and the caller gave none: then nothing was written. */
  readonly id?: string
}

/** What a close could not confirm. */
export interface CloseReport {
  /** Messages whose send had not ended at the deadline; each of those sends has been rejected. Empty when all is well. */
  readonly unconfirmed: readonly UnconfirmedMessage[]
}

/** The messages of one transaction: all of them become visible, or none. */
export interface Transaction {
  /**
   * Resolves when the broker holds the record; readers see it after the commit only. A send that fails makes the commit
   * impossible, whether its rejection is caught or not. One that is not awaited is awaited before the commit.
   */
  send<Input, Output>(topic: SendableTopic<Input, Output>, value: Input, options?: MessageOptions): Promise<SendResult>
  /** As {@link Producer.sendTombstone}, within the transaction. */
  sendTombstone<Input, Output>(topic: Topic<Input, Output>, key: Key, options?: MessageOptions): Promise<SendResult>
  /** Sends many; rejects with the first failure, which makes the commit impossible. */
  sendMany<const Topics extends readonly AnySendableTopic[]>(
    messages: MessagesToSend<Topics>,
  ): Promise<readonly SendResult[]>
}

/** Sends messages that fit their topics. */
export interface Producer {
  /**
   * Connects. A send connects by itself; starting first moves the wait and its errors to the start of the service.
   *
   * @throws HOLDFAST_UNAVAILABLE, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_CLOSED
   */
  start(): Promise<void>
  /**
   * Validates, keys, encodes and sends one message; resolves when all in-sync replicas have it. Messages of one key keep the order
   * in which their sends were called.
   *
   * @throws HOLDFAST_MESSAGE_INVALID, HOLDFAST_TOPIC_UNKNOWN, HOLDFAST_PARTITION_UNKNOWN, HOLDFAST_RECORD_TOO_LARGE,
   * HOLDFAST_REFUSED, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_UNAVAILABLE, HOLDFAST_BUFFER_FULL, HOLDFAST_DELIVERY_TIMEOUT,
   * HOLDFAST_ABORTED, HOLDFAST_CLOSED (nothing was written); HOLDFAST_INDETERMINATE (it may have been).
   */
  send<Input, Output>(topic: SendableTopic<Input, Output>, value: Input, options?: SendOptions): Promise<SendResult>
  /**
   * Sends a tombstone: a record with the key and no value, which deletes the key on a compacted topic.
   *
   * @throws as {@link Producer.send}
   */
  sendTombstone<Input, Output>(topic: Topic<Input, Output>, key: Key, options?: SendOptions): Promise<SendResult>
  /**
   * Sends many messages, of one or several topics. All are validated before any is sent; after that each ends by itself, and
   * a bad one never fails its neighbours. Outcomes come in the order of the messages. While an asynchronous validator runs, all
   * of them stand in line already: they keep their place among other sends, and their timeout, their signal and a close end them.
   *
   * @throws HOLDFAST_MESSAGE_INVALID with every problem of every message, by index and field path, and HOLDFAST_CLOSED; nothing
   * was sent.
   */
  sendMany<const Topics extends readonly AnySendableTopic[]>(
    messages: MessagesToSend<Topics>,
    options?: DeliveryOptions,
  ): Promise<readonly SendManyOutcome[]>
  /**
   * Sends without a promise. It gives up: knowing where the record is, and back-pressure (a full buffer goes to `onError` at
   * once). It keeps validation, keys, order and acknowledgement by all replicas. A crash loses what was not yet acknowledged. An
   * `onError` that throws or rejects is logged, and nothing else comes of it.
   *
   * @throws HOLDFAST_CONFIG_INVALID without `onError`; nothing was sent. All else goes to `onError`.
   */
  sendAndForget<Input, Output>(
    topic: SendableTopic<Input, Output>,
    value: Input,
    onError: (error: HoldfastError) => void,
    options?: SendOptions,
  ): void
  /**
   * Runs `work` in one Kafka transaction: commits when it resolves, rolls back when it throws. One transaction is under way at
   * a time; further calls wait. Needs `transactionalId`. A crash on the way rolls back: at once when a producer of the same
   * transactional id begins its next transaction, else after `transactionTimeoutMs`.
   *
   * @throws what `work` threw, after the rollback; HOLDFAST_TRANSACTION_ABORTED, HOLDFAST_FENCED; HOLDFAST_INDETERMINATE when the
   * answer to the commit was lost: all of it may be visible, or none. HOLDFAST_CONFIG_INVALID without `transactionalId`, and when
   * called within `work`, which would wait for itself.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /** Resolves when everything sent before this call has ended, well or badly. Never rejects. */
  flush(): Promise<void>
  /**
   * Takes no more sends, drains until the deadline, and says what was not confirmed. Safe to call twice: the second call gets the
   * first one's report.
   */
  close(options?: {
    /**
     * 0 to 2^31 − 1.
     *
     * @defaultValue `30_000`
     */
    readonly timeoutMs?: number
  }): Promise<CloseReport>
  /** Closes with the default deadline. */
  [Symbol.asyncDispose](): Promise<void>
}

import type { HoldfastError } from '../errors/index.ts'
import type { Key, SendableTopic, Topic } from '../topic/index.ts'

/** What may be said about one message beside its value. */
export interface MessageOptions {
  /**
   * The message's id, in its `holdfast-id` header; consumers recognise duplicates by it. Non-empty text of 1 to 200 characters.
   *
   * Without it each call is a new event with an id of its own: calling `send` again after a failure whose outcome was unknown
   * makes a second event that no consumer can tell from a first. Give the id of the business event where a call may be repeated.
   *
   * @defaultValue a new UUIDv7
   */
  readonly id?: string
  /** Further headers, sent as they are. Names that begin with `holdfast-` are refused. */
  readonly headers?: MessageHeaders
  /** The partition, instead of the partitioner's. Same key, other partition: order is then yours to keep. */
  readonly partition?: number
  /**
   * When the event happened, in milliseconds since the epoch; an integer of 0 or more.
   *
   * @defaultValue now
   */
  readonly timestamp?: number | bigint | Date
}

/** Headers as users write them: a list keeps order and repeated names; an object is a shorthand. */
export type MessageHeaders =
  ReadonlyArray<readonly [name: string, value: string | Uint8Array | null]> | Readonly<Record<string, string | Uint8Array>>

/** How long a send may take, and what can end it. */
export interface DeliveryOptions {
  /**
   * How long, in milliseconds from the call, until a send that is not acknowledged fails. 1 to 2^31 − 1. What had not been
   * handed to the broker fails `HOLDFAST_DELIVERY_TIMEOUT` (nothing was written), what had `HOLDFAST_INDETERMINATE`.
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

/** One message of a `sendMany`. Make it with {@link message} to have its value checked against its topic. */
export interface MessageToSend<Input = unknown, Output = Input> extends MessageOptions {
  readonly topic: SendableTopic<Input, Output>
  readonly value: Input
}

/** How one message of a `sendMany` ended. */
export type SendManyOutcome =
  { readonly ok: true; readonly result: SendResult } | { readonly ok: false; readonly error: HoldfastError }

/** What a close could not confirm. */
export interface CloseReport {
  /** Messages whose send had not ended at the deadline; each of those sends has been rejected. Empty when all is well. */
  readonly unconfirmed: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly id: string }>
}

/** The messages of one transaction: all of them become visible, or none. */
export interface Transaction {
  /** Resolves when the broker holds the record; readers see it after the commit only. */
  send<Input, Output>(topic: SendableTopic<Input, Output>, value: Input, options?: MessageOptions): Promise<SendResult>
  sendTombstone<Input, Output>(topic: Topic<Input, Output>, key: Key, options?: MessageOptions): Promise<SendResult>
  sendMany(messages: readonly MessageToSend<never, never>[]): Promise<readonly SendResult[]>
}

/** Sends messages that fit their topics. */
export interface Producer {
  /** Connects. A send connects by itself; starting first moves the wait and its errors to the start of the service. */
  start(): Promise<void>
  /**
   * Validates, keys, encodes and sends one message; resolves when all in-sync replicas have it.
   *
   * @throws HOLDFAST_MESSAGE_INVALID, HOLDFAST_TOPIC_UNKNOWN, HOLDFAST_PARTITION_UNKNOWN, HOLDFAST_RECORD_TOO_LARGE,
   * HOLDFAST_REFUSED, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_UNAVAILABLE, HOLDFAST_BUFFER_FULL, HOLDFAST_DELIVERY_TIMEOUT,
   * HOLDFAST_ABORTED, HOLDFAST_CLOSED (nothing was written); HOLDFAST_INDETERMINATE (it may have been).
   */
  send<Input, Output>(topic: SendableTopic<Input, Output>, value: Input, options?: SendOptions): Promise<SendResult>
  /** Sends a tombstone: a record with the key and no value, which deletes the key on a compacted topic. */
  sendTombstone<Input, Output>(topic: Topic<Input, Output>, key: Key, options?: SendOptions): Promise<SendResult>
  /**
   * Sends many messages, of one or several topics. All are validated before any is sent; after that each ends by itself, and
   * a bad one never fails its neighbours. Outcomes come in the order of the messages.
   *
   * @throws HOLDFAST_MESSAGE_INVALID with every problem of every message, by index and field path; nothing was sent.
   */
  sendMany(messages: readonly MessageToSend<never, never>[], options?: DeliveryOptions): Promise<readonly SendManyOutcome[]>
  /**
   * Sends without a promise. It gives up: knowing where the record is, and back-pressure (a full buffer goes to `onError` at
   * once). It keeps validation, keys, order and acknowledgement by all replicas. A crash loses what was not yet acknowledged.
   */
  sendAndForget<Input, Output>(
    topic: SendableTopic<Input, Output>,
    value: Input,
    onError: (error: HoldfastError) => void,
    options?: SendOptions,
  ): void
  /**
   * Runs `work` in one Kafka transaction: commits when it resolves, rolls back when it throws. One transaction is under way at
   * a time; further calls wait. Needs `transactionalId`.
   *
   * @throws what `work` threw, after the rollback; HOLDFAST_TRANSACTION_ABORTED, HOLDFAST_FENCED; HOLDFAST_INDETERMINATE when the
   * answer to the commit was lost: all of it may be visible, or none.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /** Resolves when everything sent before this call has ended, well or badly. Never rejects. */
  flush(): Promise<void>
  /** Takes no more sends, drains until the deadline, and says what was not confirmed. Safe to call twice. */
  close(options?: { readonly timeoutMs?: number }): Promise<CloseReport>
  [Symbol.asyncDispose](): Promise<void>
}

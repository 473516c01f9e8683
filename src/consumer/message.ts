import type { Logger } from '../logger/index.ts'
import type { Headers, InboundRecord, Position } from '../record/index.ts'
import type { HandlerOutcome } from './outcome.ts'

/** A record that was decoded and fits its topic. */
export interface Message<Value> {
  /** The id its producer gave it (`holdfast-id`); without one, its place: `topic[partition]@offset`. */
  readonly id: string
  /** The service that sent it (`holdfast-source`), when it said so. */
  readonly source: string | undefined
  /**
   * When the event happened, as its producer said it (`holdfast-time`); without that, the record's timestamp, which a topic with
   * LogAppendTime has from its broker.
   */
  readonly time: Date
  /** The schema's output. */
  readonly value: Value
}

/** What a handler is told beside the message. `Tx` is what its inbox gives it; undefined without one. */
export interface MessageContext<Tx = undefined> extends Position {
  /** The record as it came, its bytes and all its headers: also those that may be forged. */
  readonly record: InboundRecord
  /** The key as bytes; null when it has none. */
  readonly key: Uint8Array | null
  /** Without those that only Holdfast's own topics may carry. */
  readonly headers: Headers
  /** Which call of the handler for this message this is, from 1; with a dedupe store it goes on counting after a crash. */
  readonly attempt: number
  /**
   * Is this known not to be the first time? True from the second attempt on, and when this process had the record before. What
   * another process did before it died is known only to a dedupe store.
   */
  readonly redelivered: boolean
  /**
   * Aborts when `handlerTimeoutMs` is over, when the partition is taken away and the time to drain is used up, or when it is lost. A
   * handler that heeds it frees its key at once.
   */
  readonly signal: AbortSignal
  /** When `handlerTimeoutMs` will be over. */
  readonly deadline: Date
  /** With `ack: 'manual'`: says that the message is handled. Twice, or too late, does nothing. Without it: nothing. */
  ack(): void
  /** The consumer's logger, with the record's position. */
  readonly log: Logger
  /** The message's transaction: what is written through it is committed together with the mark that the message is done, or not at all. */
  readonly tx: Tx
}

/** Handles one message. Resolving lets its offset move; throwing is a failed attempt. */
export type Handler<Value, Tx = undefined> = (
  message: Message<Value>,
  context: MessageContext<Tx>,
) => Promise<HandlerOutcome | void> | HandlerOutcome | void

/** What a handler for tombstones gets: the deleted key is in the context. */
export type TombstoneHandler<Tx = undefined> = (
  context: MessageContext<Tx>,
) => Promise<HandlerOutcome | void> | HandlerOutcome | void

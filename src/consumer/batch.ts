import type { Logger } from '../logger/index.ts'
import type { TopicPartition } from '../record/index.ts'
import type { Message, MessageContext } from './message.ts'

/** One message of a batch, with what a handler of single messages would be told beside it. */
export interface BatchMessage<Value> extends Message<Value> {
  readonly context: Omit<MessageContext, 'ack' | 'tx'>
}

/** What a batch handler is told beside the messages. */
export interface BatchContext<Tx = undefined> extends TopicPartition {
  /**
   * Fails one message: a failed attempt of its own, with all that follows from one; it is called again by itself. The others are handled
   * when the handler resolves: those of the same key that came behind it, too.
   *
   * @throws HOLDFAST_CONFIG_INVALID for anything that is no message of this batch.
   */
  fail(message: BatchMessage<unknown>, error: unknown): void
  /** Aborts when `handlerTimeoutMs` is over, or the partition is gone. */
  readonly signal: AbortSignal
  readonly log: Logger
  /**
   * The batch's transaction: what is written through it is committed together with the marks that its messages are done, or not at all. A batch
   * of which a message was failed is rolled back, and called anew without it.
   */
  readonly tx: Tx
}

/**
 * Handles messages of one partition, in the order of their offsets. Resolving has handled all but those given to `fail`. One that throws, or
 * does not end in time, has handled none of them: each is called again by itself, in the same order, and only what comes of that counts as
 * an attempt and is judged by error rules. So one bad message is retried and parked alone; those behind it wait for that.
 */
export type BatchHandler<Value, Tx = undefined> = (
  messages: readonly BatchMessage<Value>[],
  batch: BatchContext<Tx>,
) => Promise<void> | void

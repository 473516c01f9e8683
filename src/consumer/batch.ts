import type { Logger } from '../logger/index.ts'
import type { TopicPartition } from '../record/index.ts'
import type { Message, MessageContext } from './message.ts'

/** One message of a batch, with what a handler of single messages would be told beside it. */
export interface BatchMessage<Value> extends Message<Value> {
  readonly context: Omit<MessageContext, 'ack'>
}

/** What a batch handler is told beside the messages. */
export interface BatchContext extends TopicPartition {
  /** Fails one message: an attempt of its own, with all that follows from one. The others are handled when the handler resolves. */
  fail(message: BatchMessage<unknown>, error: unknown): void
  /** Aborts when `handlerTimeoutMs` is over, or the partition is gone. */
  readonly signal: AbortSignal
  readonly log: Logger
}

/**
 * Handles messages of one partition, in the order of their offsets. Resolving has handled all but those given to `fail`; throwing fails all
 * of them, and they are tried again one by one.
 */
export type BatchHandler<Value> = (
  messages: readonly BatchMessage<Value>[],
  batch: BatchContext,
) => Promise<void> | void

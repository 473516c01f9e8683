import type { HoldfastError } from '../errors/index.ts'
import type { OutboundRecord, TopicPartition } from '../record/index.ts'
import type { Compression } from './capabilities.ts'
import type { DriverSurroundings } from './driver.ts'

/** How a driver's producer is made. */
export interface DriverProducerOptions extends DriverSurroundings {
  /** Present: the producer makes transactions, and nothing else. */
  readonly transactionalId?: string
  /** After how long the broker rolls back a transaction that was left open. Only with `transactionalId`. */
  readonly transactionTimeoutMs?: number
}

/** Records of one partition, in the order they shall have on the log. */
export interface ProduceBatch extends TopicPartition {
  /** One or more; each carries this batch's topic and partition. */
  readonly records: readonly OutboundRecord[]
  readonly compression: Compression
}

/** How one record of a batch ended. */
export type ProduceOutcome =
  { readonly ok: true; readonly offset: bigint } | { readonly ok: false; readonly error: HoldfastError }

/**
 * Writes records, acks=all, idempotent where the driver can.
 *
 * It stays usable after any failure but `HOLDFAST_FENCED`: what a failure has made unsafe inside is replaced inside, before
 * the next batch is written. The core keeps one `produce` under way for each partition; calls for different partitions run
 * side by side.
 */
export interface DriverProducer {
  connect(): Promise<void>
  /**
   * How many partitions a topic has; asks the cluster at most every few minutes, and at once after
   * {@link forgetPartitions}.
   *
   * @throws HOLDFAST_TOPIC_UNKNOWN when the topic is not there; HOLDFAST_UNAVAILABLE when nobody answers.
   */
  partitionCount(topic: string): Promise<number>
  /** Makes the next {@link partitionCount} ask the cluster again. */
  forgetPartitions(topic: string): void
  /**
   * Writes one batch. Resolves with one outcome a record, in order; never rejects. Repeats inside only what the broker
   * recognises as a repeat, and only until `timeoutMs` is over; a batch whose fate is then unknown ends
   * `HOLDFAST_INDETERMINATE`.
   */
  produce(batch: ProduceBatch, options: { readonly timeoutMs: number }): Promise<readonly ProduceOutcome[]>
  /**
   * Begins a transaction; fences every older producer of the same transactional id. One at a time.
   *
   * @throws HOLDFAST_FENCED, HOLDFAST_UNAVAILABLE, HOLDFAST_UNSUPPORTED when made without `transactionalId`.
   */
  begin(): Promise<DriverTransaction>
  /** Closes after what is under way, or at the deadline. Safe to call twice. */
  close(options: { readonly timeoutMs: number }): Promise<void>
}

/** A transaction under way. After any failure the only call left is {@link DriverTransaction.abort}. */
export interface DriverTransaction {
  produce(batch: ProduceBatch, options: { readonly timeoutMs: number }): Promise<readonly ProduceOutcome[]>
  /** @throws HOLDFAST_INDETERMINATE when the answer was lost: it may be committed, and the producer is replaced inside. */
  commit(): Promise<void>
  /** Rolls back. Never rejects: what cannot be rolled back now is fenced by the next {@link DriverProducer.begin}. */
  abort(): Promise<void>
}

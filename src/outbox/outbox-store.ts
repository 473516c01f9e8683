import type { Headers } from '../record/index.ts'

/**
 * A message as an outbox keeps it: its final bytes. Topic, key and headers were settled when it was enqueued, so that a deploy in
 * between cannot change what is sent.
 */
export interface OutboxRow {
  readonly id: string
  readonly topic: string
  /** Null where the topic says `key: 'none'`; such rows have no order among each other. */
  readonly key: Uint8Array | null
  /** Null is a tombstone. */
  readonly value: Uint8Array | null
  readonly headers: Headers
  /** When the event happened, in milliseconds since the epoch. */
  readonly timestamp: bigint
  /** Where the caller named one. */
  readonly partition?: number
}

/**
 * Where an outbox keeps its rows: a table of the caller's own database.
 *
 * @typeParam Transaction - the database client's transaction, never a pool.
 */
export interface OutboxStore<Transaction> {
  /**
   * Stores rows within the caller's transaction, in the order given: rolled back with it, visible to the relay with its commit.
   *
   * @throws anything; the caller's transaction must then not commit.
   */
  insert(transaction: Transaction, rows: readonly OutboxRow[]): Promise<void>
}

import type { Headers } from '../record/index.ts'
import type { OutboxOperations } from './outbox-operations.ts'
import type { RelayStore } from './relay-store.ts'

/**
 * A message as an outbox keeps it: its final bytes. Topic, key and headers were settled when it was enqueued, so that a deploy in
 * between cannot change what is sent.
 */
export interface OutboxMessage {
  /** The message's id, which its `holdfast-id` header carries too. */
  readonly id: string
  readonly topic: string
  /** Null where the topic says `key: 'none'`; such messages have no order among each other. */
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
 * Where an outbox keeps its messages: tables of the caller's own database. `outboxStoreConformance` of `holdfast/testing` judges one.
 *
 * **Row order is commit order, for each key**: of two rows of a key (a topic and its key bytes) the one with the smaller row id was committed
 * first, and whoever sees the later one sees the earlier one too, unless it is gone. A store keeps this by taking a lock for each key
 * before it draws the row's id, and holding it until the transaction has ended.
 *
 * @typeParam Transaction - the database client's transaction, never a pool.
 */
export interface OutboxStore<Transaction> {
  /**
   * Stores messages within the caller's transaction, in the order given: rolled back with it, visible to the relay with its commit.
   *
   * @throws HOLDFAST_CONFIG_INVALID for what is no open transaction: a pool, or one that has ended; nothing was stored. Anything else that the
   * database says, unchanged: the caller's transaction must then not commit.
   */
  insert(transaction: Transaction, messages: readonly OutboxMessage[]): Promise<void>
  /** Does the work in one transaction: committed when it resolves, rolled back when it rejects, with what it rejects with. */
  transact<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /** What a relay works on. */
  readonly relay: RelayStore
  /** What operators do with rows that were set aside. */
  readonly operations: OutboxOperations
  /**
   * Asked before anything is sent.
   *
   * @throws HOLDFAST_CONFIG_INVALID when the tables are not there, or are such that order could break (a sequence that hands out more than one id
   * at a time); HOLDFAST_STORE_UNAVAILABLE
   */
  check(): Promise<void>
}

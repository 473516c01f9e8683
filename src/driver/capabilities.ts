/**
 * What a driver can do. The core refuses, at start and with the reason, a setting that needs what is missing; the conformance
 * suite holds each flag against the truth.
 */
export interface Capabilities {
  /** A lost response never doubles or loses a record of a produce call, within the life of one producer. */
  readonly idempotentProducer: boolean
  readonly transactions: boolean
  /** Offsets sent in a transaction are refused by the broker when the member has lost the partition (KIP-447). */
  readonly transactionGroupFencing: boolean
  /** Reading committed records only: `leaky` may show records of aborted transactions. */
  readonly readCommitted: 'correct' | 'leaky'
  /** When `onRevoked` comes: before the partitions go, so that work can drain and commit, or after. */
  readonly revoke: 'before' | 'after'
  readonly nullHeaderValue: boolean
  /** Headers of different names keep their order among each other. */
  readonly headerOrder: boolean
  /** Text can travel with a committed offset. */
  readonly commitMetadata: boolean
  /** Codecs that can be asked for when producing. */
  readonly compression: readonly Compression[]
}

/** How the records of a batch are compressed on the log. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

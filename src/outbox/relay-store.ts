import type { OutboxMessage } from './outbox-store.ts'

/**
 * Into so many buckets keys are divided; workers share buckets, never the rows of one. A store's tables are made for it, so it never
 * changes: 64 workers at most have something to do.
 */
export const BUCKETS = 64

/** A worker's right to send the rows of a bucket, for as long as its lease lasts. */
export interface BucketLease {
  /** 0 to {@link BUCKETS} − 1. */
  readonly bucket: number
  /** The fencing epoch: it grows each time the bucket is taken. */
  readonly epoch: bigint
  /** Grows each time an operator puts rows back: what is known of rows set aside, and where scans begin, is then to be asked anew. */
  readonly generation: bigint
}

/** How a worker stands among the others. */
export interface LeaseRound {
  /** How many workers are alive, this one included. */
  readonly workers: number
  /** All that this worker holds now, by bucket: renewed, or just taken. One that was held and is not here is lost. */
  readonly leases: readonly BucketLease[]
}

/** Where a row lies. */
export interface RowPlace {
  readonly bucket: number
  /** In the order in which rows were committed, for each key. */
  readonly rowId: bigint
}

/** A row that waits to be sent. */
export interface WaitingRow extends OutboxMessage, RowPlace {}

/** A row that Kafka has acknowledged, and where it is. */
export interface SentRow extends RowPlace {
  readonly partition: number
  readonly offset: bigint
}

/** Under which leases rows were sent. */
export interface MarkFence {
  readonly worker: string
  /** The epoch under which the rows of each bucket were sent. */
  readonly epochs: ReadonlyMap<number, bigint>
}

/** Where to look for rows of a bucket. */
export interface ScanRange {
  readonly bucket: number
  /** Greater row ids alone. */
  readonly after: bigint
  /** Up to this row id, included. @defaultValue no end */
  readonly upTo?: bigint
}

/** How much one fetch may bring. */
export interface FetchLimits {
  /** Rows of all buckets. */
  readonly maxRows: number
  /** Of keys, values and headers, about; a row that is larger by itself comes alone. */
  readonly maxBytes: number
}

/** Who may bring rows that nobody sees yet. */
export interface Writers {
  /** The last row id that was drawn, read before the writers were looked at; 0 when none was. */
  readonly lastRowId: bigint
  /** Up to which row ids none is drawn again, also by a database that has crashed meanwhile. @defaultValue `lastRowId` */
  readonly durableRowId?: bigint
  /**
   * The transactions that may have drawn row ids and have not ended: names without a meaning. One that has ended, and is not named, has its rows
   * in what every later fetch sees, or has left none.
   */
  readonly writers: readonly string[]
  /** Those of them that had another name before, and so are older than they seem. @defaultValue none */
  readonly prepared?: readonly string[]
}

/** Why a row was parked. */
export interface ParkReason {
  /** A Holdfast error code. */
  readonly code: string
  /** Names topic and limits; never a key or a payload. */
  readonly message: string
}

/** Rows of a bucket that are not to be sent for now. */
export interface SetAside {
  /** Refused by Kafka: each by itself. Its key waits behind it; a row without a key holds nobody up. */
  readonly parked: ReadonlyArray<RowPlace & { readonly reason: ParkReason }>
  /** Behind a parked row of their key. */
  readonly behind: readonly RowPlace[]
}

/** A key whose rows wait behind a parked one. */
export interface ParkedKey {
  readonly bucket: number
  readonly topic: string
  readonly key: Uint8Array
  /** Its first parked row. What comes before that, and waits, was sent and not marked: it is behind nothing. */
  readonly rowId: bigint
}

/** How full the outbox is. */
export interface OutboxStatistics {
  /** Rows that wait to be sent, counted up to a limit: see {@link OutboxStatistics.more}. */
  readonly waiting: number
  /** There are more than `waiting`. */
  readonly more: boolean
  /** Since when the oldest of them waits, in milliseconds; null when none does. */
  readonly oldestAgeMs: number | null
  /** Rows that were parked. */
  readonly parked: number
  /** Rows that wait behind them. */
  readonly behind: number
}

/**
 * What a relay asks of the database: each call is a transaction of its own. All of them may be repeated after a lost answer.
 *
 * @throws HOLDFAST_STORE_UNAVAILABLE (retriable) from every call, when the database does not answer or not as it should.
 */
export interface RelayStore {
  /**
   * Says that this worker is alive, renews the leases it has, and takes buckets that nobody holds until it has its share: all buckets, divided
   * by the workers alive, rounded up. It gives back none: what is above its share the worker ends first, then calls {@link RelayStore.release}.
   *
   * Leases and lives end `leaseMs` after the database has done this, by its clock. A lease that has run out is lost, also when nobody has taken it:
   * taken again it has a new epoch.
   */
  lease(worker: string, leaseMs: number): Promise<LeaseRound>
  /** Gives buckets back, where the epoch is still this one. */
  release(leases: readonly BucketLease[]): Promise<void>
  /** This worker is gone; what it still held is free. */
  leave(worker: string): Promise<void>
  /**
   * Waiting rows of these ranges, those of a bucket by row id, and none left out between two of a bucket that are visible at one moment. Buckets
   * come in the order of the ranges, until a limit is reached: whoever asks turns the order, so that none waits for ever.
   */
  fetch(ranges: readonly ScanRange[], limits: FetchLimits): Promise<readonly WaitingRow[]>
  /** Looks at who writes. Asked before rows are read, and when nothing goes on as often as a relay looks: it must cost little. */
  writers(): Promise<Writers>
  /**
   * Kafka has them: they are deleted, or kept, marked, where the store keeps them. What is gone already is no error.
   *
   * Fenced: rows of a bucket that another worker has taken since are left as they are. That one may be reading them: would a part of them go while it
   * does, it would send old rows of a key, and not the newer ones behind them. A bucket that was taken again by the same worker, and by no other in
   * between, is as it was. While this runs nobody takes the bucket.
   *
   * @param fence - without one whatever is given is marked: for tools.
   */
  sent(rows: readonly SentRow[], fence?: MarkFence): Promise<void>
  /**
   * Takes rows out of what waits. Fenced: nothing happens unless epoch and generation of the lease are the bucket's own.
   *
   * @returns whether it happened.
   */
  setAside(lease: BucketLease, rows: SetAside): Promise<boolean>
  /** The keys that wait behind a parked row, of these buckets. */
  parkedKeys(buckets: readonly number[]): Promise<readonly ParkedKey[]>
  /** @param countUpTo - counting more rows than this is not worth its price. */
  statistics(countUpTo: number): Promise<OutboxStatistics>
  /** Calls back when something was committed, where the store can tell; what breaks is mended inside. Absent: it cannot. */
  listen?(onCommit: () => void): Promise<{ close(): Promise<void> }>
}

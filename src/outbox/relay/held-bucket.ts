import { latin1Of, recordSize } from '../../record/index.ts'
import type { BucketLease, WaitingRow } from '../relay-store.ts'

/** How far a row in hand has come. `gone`: it is in hand no more. */
export type RowPhase = 'queued' | 'sending' | 'acknowledged' | 'aside' | 'gone'

/** A row that was read, and is neither marked nor set aside nor let go. */
export class RowInHand {
  readonly row: WaitingRow
  readonly held: HeldBucket
  /** Names its key among all of all topics; null without one. */
  readonly keyName: string | null
  /** About how many bytes it takes. */
  readonly size: number
  phase: RowPhase = 'queued'
  /** Chosen when its topic's partitions are known. */
  partition = -1

  constructor(row: WaitingRow, held: HeldBucket) {
    this.row = row
    this.held = held
    this.keyName = row.key === null ? null : keyNameOf(row.topic, row.key)
    this.size = recordSize(row)
  }
}

/** A key among all of all topics. */
export function keyNameOf(topic: string, key: Uint8Array): string {
  return `${topic}\0${latin1Of(key)}`
}

/** A bucket from when its lease was taken, or an operator put rows back, until the next such moment: nothing that was known before counts. */
export class HeldBucket {
  readonly lease: BucketLease
  /** Until then, on the monotonic clock, nobody else can have the bucket. */
  safeUntil: number
  /** The highest row id that was read. Scans begin above it. */
  floor = 0n
  /** Keys of which Kafka has refused a row for good, with its id: what comes behind it waits. */
  readonly parkedKeys: Map<string, bigint>
  readonly rows: Map<bigint, RowInHand> = new Map()
  /** Closed: nothing of it is sent any more; what is under way ends. */
  open = true
  /** Rows that have left while a fetch is under way, which may still bring them. Null when none is. */
  departed: Set<bigint> | null = null
  readonly #hand: Hand

  constructor(lease: BucketLease, safeUntil: number, parkedKeys: Map<string, bigint>, hand: Hand) {
    this.lease = lease
    this.safeUntil = safeUntil
    this.parkedKeys = parkedKeys
    this.#hand = hand
  }

  /** Does it wait behind a parked row of its key? */
  isBehind({ keyName, row }: RowInHand): boolean {
    const parked = keyName === null ? undefined : this.parkedKeys.get(keyName)
    return parked !== undefined && row.rowId > parked
  }

  /** Takes a row that was read into hand; null when it was taken before. */
  take(row: WaitingRow): RowInHand | null {
    if (this.rows.has(row.rowId) || this.departed?.has(row.rowId) === true) return null
    const taken = new RowInHand(row, this)
    this.rows.set(row.rowId, taken)
    this.#hand.took(taken)
    return taken
  }

  /** Lets a row go, for whatever reason. */
  leave(row: RowInHand): void {
    if (row.phase === 'gone') return
    row.phase = 'gone'
    this.rows.delete(row.row.rowId)
    this.departed?.add(row.row.rowId)
    this.#hand.left(row)
  }

  /** Lets go what has not begun to be sent. */
  close(): void {
    if (!this.open) return
    this.open = false
    for (const row of this.rows.values()) if (row.phase === 'queued') this.leave(row)
  }
}

/** All rows that a relay has in hand, counted. */
export class Hand {
  rows = 0
  bytes = 0
  readonly #onLeft: (held: HeldBucket) => void

  /** @param onLeft - a row of this bucket has left */
  constructor(onLeft: (held: HeldBucket) => void) {
    this.#onLeft = onLeft
  }

  took({ size }: RowInHand): void {
    this.rows++
    this.bytes += size
  }

  left({ size, held }: RowInHand): void {
    this.rows--
    this.bytes -= size
    this.#onLeft(held)
  }
}

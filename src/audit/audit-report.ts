/** What is wrong with a message. */
export type FindingKind = 'missing' | 'duplicate' | 'reordered' | 'extra' | 'gap'

/** What can be wrong, in the order in which it is told. */
export const FINDING_KINDS: readonly FindingKind[] = ['missing', 'duplicate', 'reordered', 'extra', 'gap']

/** Where something stands. */
export interface AuditPlace {
  /** Of a row; of a record that was reordered: of its row. */
  readonly rowId?: bigint
  /** Of a record; of a row: where Kafka has acknowledged it. */
  readonly partition?: number
  readonly offset?: bigint
  readonly at: Date
}

/** Findings that follow each other, as one. */
export interface AuditRange {
  readonly kind: FindingKind
  /** How many messages. */
  readonly count: number
  /** SHA-256 of the key, its first 16 hex digits; null where there is none, or they have several. */
  readonly keyHash: string | null
  /** The key itself, where it was asked for and they have one. */
  readonly key?: Uint8Array
  /**
   * `missing`: where they stand that are not on the other side, following each other within their key, or within their partition where there are no keys.
   * `duplicate`, `extra`: the surplus records, following each other within their partition. `reordered`: the records that came too late, following each other
   * within their key. `gap`: the row whose predecessor is nowhere.
   */
  readonly first: AuditPlace
  readonly last: AuditPlace
  /** `reordered`: the place, on the first side, of the one that came before them and should not. `gap`: the place of the predecessor. */
  readonly behind?: Omit<AuditPlace, 'at'>
}

/** How many of what. */
export interface AuditCounts extends Readonly<Record<FindingKind, number>> {
  /** Messages of the first side that were judged. */
  readonly judged: number
  /** Of these, found on the other side. */
  readonly matched: number
  /** Facts that were read of each side, those around the window included. */
  readonly readFrom: number
  readonly readTo: number
  /** Not there yet, and younger than the grace. */
  readonly young: number
  /** Not there, and known to be parked; or there, and marked as parked. */
  readonly parked: number
  /** Not there, since an operator has given them up. */
  readonly discarded: number
  /** Not there any more: where they were acknowledged, the topic has let go of its records. */
  readonly expired: number
  /** Tombstones that are not there: they may be skipped. */
  readonly tombstones: number
  /** More than once on the first side. */
  readonly repeated: number
  /** Left out, since they carry no id. */
  readonly withoutId: number
}

/** What an audit has found. */
export interface AuditReport {
  /** Nothing was found. */
  readonly clean: boolean
  readonly from: string
  readonly to: string
  readonly window: { readonly since: Date | null; readonly until: Date | null; readonly graceMs: number }
  readonly counts: AuditCounts
  /** The oldest ranges of each kind. */
  readonly findings: Readonly<Record<FindingKind, readonly AuditRange[]>>
  /** How many ranges there are of each kind, those that are not listed included. */
  readonly ranges: Readonly<Record<FindingKind, number>>
  /** Bytes that went to disk. */
  readonly spilledBytes: number
  /** The most bytes of facts that were held in memory at a time. */
  readonly mostBytes: number
}

/** How far an audit is. */
export interface AuditProgress {
  readonly stage: 'from' | 'to' | 'matching' | 'judging'
  /** Facts of this stage that are done. */
  readonly done: number
  /** How many there will be, about; null when nobody knows. */
  readonly expected: number | null
}

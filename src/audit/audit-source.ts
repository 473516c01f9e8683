import type { Runtime } from '../clock/index.ts'

/**
 * One message as a side of an audit knows it: a row, a record, an answer that a service gave. Never its payload.
 */
export interface AuditFact {
  /** The message's id: what makes it the same message on both sides. */
  readonly id: string
  /** What it has to keep its order with; null where it has none. */
  readonly key: Uint8Array | null
  /** In which of its source's lines it stands: the partition of a record, 0 for a row. An integer of 0 to 2^32 − 1. */
  readonly line: number
  /** Its place in that line: an offset, a row id. 0 or more, and no two facts of a line have the same. */
  readonly order: bigint
  /** When it happened, in milliseconds since the epoch: what the window of an audit is held against. */
  readonly atMs: number
  /** @defaultValue `'due'` */
  readonly state?: FactState
  /** The place of the one before it of its key; null when there is none. Absent where its source keeps no chain. */
  readonly previous?: bigint | null
  /** Where it is on the other side, as its source was told. */
  readonly acknowledged?: { readonly partition: number; readonly offset: bigint }
}

/**
 * What a fact demands of the other side: `due` has to be there once it is older than the grace; `sent` has to be there, whatever its age. The others
 * need not be there and are counted by themselves: `parked` waits for an operator, or was given up on a dead letter topic; `discarded` was given up by an
 * operator; a `tombstone` may be skipped by an inbox. `foreign` is somebody else's: it is never extra.
 */
export type FactState = 'due' | 'sent' | 'parked' | 'discarded' | 'tombstone' | 'foreign'

/** What an audit asks a source for. */
export interface AuditScope {
  /** Facts from here on; null for all. Earlier ones do no harm. */
  readonly sinceMs: number | null
  /** Facts before this; null for all. Later ones do no harm. */
  readonly untilMs: number | null
  /** Places that have to be among them whatever their time, by line: a source that reads by time begins there at the latest. */
  readonly beginAt: ReadonlyMap<number, bigint>
  readonly runtime: Runtime
  /** Ends the reading. */
  readonly signal: AbortSignal
  /** What is known about the reading as a whole. */
  tell(what: SourceNews): void
}

/** What a source tells beside its facts. */
export type SourceNews =
  /** How many facts will come, about. */
  | { readonly kind: 'expected'; readonly facts: number }
  /** Facts that came after this moment, in milliseconds since the epoch, may not be among them. @defaultValue the clock's time before the reading */
  | { readonly kind: 'as-of'; readonly atMs: number }
  /** What stood before this place of a line is gone, as retention has it. */
  | { readonly kind: 'begins'; readonly line: number; readonly order: bigint }
  /** Facts that were settled before this moment may have been deleted; null when none can be known to be whole. */
  | { readonly kind: 'whole-since'; readonly atMs: number | null }
  /** Of the chain, what stands at this place or before it may have been deleted. */
  | { readonly kind: 'chain-whole-after'; readonly order: bigint }
  /** Something without an id was left out: nobody could tell what it is. */
  | { readonly kind: 'without-id' }

/** One side of an audit, as a stream of facts. Any will do; an array of batches, too. */
export interface AuditSource {
  readonly kind: 'facts'
  /** For people: `topic orders`. */
  readonly name: string
  /** What its places are. */
  readonly places: 'rows' | 'records'
  /** Has it keys? Where one side has none, messages are compared by id alone, and their order is not judged. */
  readonly keyed: boolean
  read(scope: AuditScope): AsyncIterable<readonly AuditFact[]> | Iterable<readonly AuditFact[]>
}

/** The side against which an audit compares, where it is cheaper to ask for each message than to read all. */
export interface AuditLookup {
  readonly kind: 'lookup'
  readonly name: string
  /** Those of these ids that are there: `parked` is counted by itself. A thousand at a time. */
  find(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, 'handled' | 'parked'>>
}

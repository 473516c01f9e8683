import type { HistoryEvent } from '../history/index.ts'
import type { Expectations } from './expectations.ts'

/** A row that a handler wrote into the database, which is the judge of effects. */
export interface Effect {
  /** The database's own order. */
  readonly seq: number
  readonly group: string
  readonly value: string
  readonly key: string | null
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly proc: string
  readonly epoch: number
}

/** A record that a fresh read_committed reader found after the run. */
export interface SourceRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: string | null
  /** The unique value that the producer's journal names; null when the bytes hold none. */
  readonly value: string | null
  readonly timestamp: number
  /** By `digestOfHeaders`. */
  readonly headersDigest: string
  /** By `digestOf`. */
  readonly valueDigest: string
}

/** A record of a dead letter topic, read the same way. */
export interface DeadLetterRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: string | null
  /** By `digestOf`. */
  readonly value: string
  /** All of them, in their order. */
  readonly headers: readonly HeaderEntry[]
}

export type HeaderEntry = readonly [name: string, value: Uint8Array | string | null]

/** What the broker itself wrote down about a commit; those of one partition in its order. */
export interface AcceptedCommit {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** Text that left a service: a log line, a span attribute, a metric's label. */
export interface EmittedText {
  readonly source: string
  readonly text: string
}

/** A message whose transaction was committed, as the database has it. */
export interface OutboxRow {
  readonly id: string
  readonly key: string
  /** Counts the committed messages of its key, from 1, in the order in which they were committed. */
  readonly seq: number
}

/** A record of the outbox's topic that a fresh read_committed reader found after the run. */
export interface OutboxRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** What its header says; null without one. */
  readonly id: string | null
  readonly key: string | null
  /** Of key, value, headers and timestamp together. */
  readonly digest: string
}

/** What an outbox came to. */
export interface OutboxData {
  readonly rows: readonly OutboxRow[]
  /** Each partition in its order. */
  readonly records: readonly OutboxRecord[]
  /** Messages that were in the outbox's table when all was over. */
  readonly left: ReadonlyArray<{ readonly id: string; readonly isSetAside: boolean }>
}

/** Everything that is known about one run of one scenario. */
export interface RunData {
  /** In the order of `inTime`. */
  readonly events: readonly HistoryEvent[]
  readonly effects: readonly Effect[]
  readonly log: readonly SourceRecord[]
  readonly deadLetters: readonly DeadLetterRecord[]
  readonly commits?: readonly AcceptedCommit[]
  /** Where partitions end: no commit goes above. */
  readonly logEnds?: readonly { readonly topic: string; readonly partition: number; readonly end: bigint }[]
  readonly texts?: readonly EmittedText[]
  /** Where the run has one. */
  readonly outbox?: OutboxData
  readonly expectations: Expectations
}

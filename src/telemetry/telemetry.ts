import type { Header, Headers, InboundRecord } from '../record/index.ts'

/** What a send is about, for its span. */
export interface SendDescription {
  readonly topic: string
  readonly messageId: string
  readonly tombstone: boolean
  /** The key as text; absent when there is none or it has no text. */
  readonly key?: string
}

/** One send under observation. */
export interface SendObservation {
  /** Headers that carry the trace on; empty when nothing is observed. */
  readonly headers: readonly Header[]
  succeeded(partition: number, offset: bigint): void
  /** @param errorType - a code or class name; never a message, which may hold data. */
  failed(errorType: string): void
}

/** One message under observation while it is made, to be sent later by somebody else: by the relay of an outbox. */
export interface CreateObservation {
  /** Headers that carry the trace on; empty when nothing is observed, and when the message has a trace of its own. */
  readonly headers: readonly Header[]
  /** It was stored. */
  succeeded(): void
  /** @param errorType - a code or class name; never a message, which may hold data. */
  failed(errorType: string): void
}

/** One record being processed, from its first byte to its outcome. */
export interface ProcessObservation {
  /** Runs the handler with the record's trace as the current one, so that what it sends and logs belongs to it. */
  run<T>(call: () => T): T
  /** An attempt failed and another follows. */
  attemptFailed(attempt: number, errorType: string): void
  /** Headers that carry the trace on to where the record is put next; empty when nothing is observed. */
  readonly headers: readonly Header[]
  ended(outcome: string, errorType?: string): void
}

/** What a process span is about. */
export interface ProcessDescription {
  readonly record: InboundRecord
  readonly groupId: string
  readonly messageId?: string
}

/** How an outbox and one of its relays stand. */
export interface RelayMeasurements {
  /** Names the relay among those of its outbox. */
  readonly worker: string
  /** Rows that Kafka has acknowledged to this relay since its start. */
  readonly published: number
  /** Rows in its hands. */
  readonly underWay: number
  /** Buckets that it holds. */
  readonly buckets: number
  /** Of the whole outbox; null when it is not known. */
  readonly outbox: {
    readonly waiting: number
    readonly oldestAgeMs: number | null
    readonly parked: number
    readonly behind: number
  } | null
}

/** What watches sends, enqueues and handling. Nothing in it may throw, and nothing in it changes what happens to a record. */
export interface Telemetry {
  sending(description: SendDescription, headers: Headers): SendObservation
  /** A message is made now and sent later: the send is a child of this by the headers. */
  creating(description: SendDescription, headers: Headers): CreateObservation
  processing(description: ProcessDescription): ProcessObservation
  /**
   * A relay is at work: `read` may be called at any time.
   *
   * @returns what ends it. @defaultValue nobody measures
   */
  relaying?(read: () => RelayMeasurements): () => void
}

/** A send that nobody watches. */
export const nothingSent: SendObservation = { headers: [], succeeded() {}, failed() {} }
/** A message that nobody watches while it is made. */
export const nothingCreated: CreateObservation = { headers: [], succeeded() {}, failed() {} }
/** A record that nobody watches. */
export const nothingProcessed: ProcessObservation = {
  headers: [],
  run: (call) => call(),
  attemptFailed() {},
  ended() {},
}

/** Watches nothing. */
export const noTelemetry: Telemetry = {
  sending: () => nothingSent,
  creating: () => nothingCreated,
  processing: () => nothingProcessed,
}

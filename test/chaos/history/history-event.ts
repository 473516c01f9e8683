/** What every line of a history carries. */
export interface Stamp {
  /** Counts the events of one process, from 0. */
  readonly i: number
  /** Microseconds of CLOCK_MONOTONIC: comparable among the processes of one host. */
  readonly t: number
  /** The process with its incarnation, `consumer-1#3`: one that is started again has another. */
  readonly proc: string
}

/** One line of a history. */
export type HistoryEvent = EventBody & Stamp

/** What happened, told apart by `f`. */
export type EventBody =
  | Start
  | Stop
  | ProduceInvoke
  | ProduceOk
  | ProduceDoubt
  | TransactionStep
  | OwnershipBegins
  | OwnershipEnds
  | Delivery
  | HandlerEnd
  | Retry
  | Dedupe
  | Park
  | Commit
  | CommitFailure
  | Refused
  | Handled
  | Paused
  | StoreCall
  | StoreLoss
  | WallClock
  | OutboxTransaction
  | RelaySend
  | RelayAnswer
  | RelayMark
  | BucketChange
  | StandStill
  | Reset
  | Nemesis
  | Health
  | Resources
  | Log

/** The events of some kinds. */
export type EventOf<F extends EventBody['f']> = F extends unknown ? OneOf<HistoryEvent, F> : never
type OneOf<E, F> = E extends { readonly f: infer Kinds } ? (F extends Kinds ? E & { readonly f: F } : never) : never

export interface Start {
  readonly f: 'start'
  readonly role: Role
  /** The process that is meant, when another one writes about it. */
  readonly of?: string
}

export type Role = 'producer' | 'consumer' | 'enqueuer' | 'relay' | 'nemesis' | 'machine'

/** A process that ended by itself, or was found dead by the machine (`of`). */
export interface Stop {
  readonly f: 'stop'
  readonly role: Role
  readonly of?: string
  readonly exitCode?: number | null
  readonly signal?: string | null
  /** The name of an error that nobody caught. */
  readonly unhandled?: string
}

export interface ProduceInvoke {
  readonly f: 'produce-invoke'
  /** Unique in the run. */
  readonly value: string
  readonly key: string | null
  readonly topic: string
  readonly partition?: number
  readonly txn?: string
}

/** Acknowledged. */
export interface ProduceOk {
  readonly f: 'produce-ok'
  readonly value: string
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly txn?: string
}

/** `produce-fail`: nothing was written, for certain. `produce-info`: it may have been. */
export interface ProduceDoubt {
  readonly f: 'produce-fail' | 'produce-info'
  readonly value: string
  readonly code: string
  readonly txn?: string
}

/** `txn-info`: it may have been committed. */
export interface TransactionStep {
  readonly f: 'txn-begin' | 'txn-commit' | 'txn-abort' | 'txn-info'
  readonly txn: string
  readonly transactionalId: string
}

/** A partition of a topic, as one group sees it. */
export interface GroupPartition {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

/** Written before anything of the epoch is done, the commit of its start included. */
export interface OwnershipBegins extends GroupPartition {
  readonly f: 'assign'
  /** Counted by each process for itself. */
  readonly epoch: number
  readonly start?: bigint
}

/** `revoke` is written when the drain is over and the partition is given away; `lost` when the process hears of it. */
export interface OwnershipEnds extends GroupPartition {
  readonly f: 'revoke' | 'lost'
  readonly epoch: number
  /** Records that were being handled when it began. */
  readonly inFlight?: number
}

/** `deliver`: handed to the library by the driver. `handler-begin`: one call of the handler. */
export interface Delivery extends GroupPartition {
  readonly f: 'deliver' | 'handler-begin'
  readonly offset: bigint
  readonly epoch?: number
  readonly key: string | null
  readonly value: string
  readonly attempt: number
}

/**
 * `failed` ends an attempt; `ok`, `skipped` and `duplicate` are outcomes. `parked` is the handler's wish: the outcome is the `park`
 * event. An outcome that the library gives after the handler (skipped by a rule) is written as one more `handler-end`.
 */
export interface HandlerEnd extends GroupPartition {
  readonly f: 'handler-end'
  readonly offset: bigint
  readonly epoch?: number
  readonly key: string | null
  readonly value: string
  readonly attempt: number
  readonly result: 'ok' | 'failed' | 'parked' | 'skipped' | 'duplicate'
  readonly code?: string
}

/** A wait after a failed attempt, written when it begins. */
export interface Retry extends GroupPartition {
  readonly f: 'retry'
  readonly offset: bigint
  /** The attempt that has failed, from 1. */
  readonly attempt: number
  readonly delayMs: number
  readonly code?: string
}

export interface Dedupe extends GroupPartition {
  readonly f: 'dedupe'
  readonly offset: bigint
  readonly value: string
  /** The store knows an outcome of the message. */
  readonly hit: boolean
}

/** A dead letter was acknowledged. */
export interface Park extends GroupPartition {
  readonly f: 'park'
  readonly offset: bigint
  readonly deadLetterTopic: string
  readonly code: string
}

export interface Commit extends GroupPartition {
  readonly f: 'commit-invoke' | 'commit-ok'
  /** The next one to read. */
  readonly offset: bigint
  readonly epoch: number
  readonly metadata?: string
  /** Finished ranges above the offset, ends included. */
  readonly ranges?: readonly OffsetRange[]
}

export type OffsetRange = readonly [first: bigint, last: bigint]

/** `commit-fail`: not stored, for certain. `commit-info`: it may have been. */
export interface CommitFailure extends GroupPartition {
  readonly f: 'commit-fail' | 'commit-info'
  readonly offset: bigint
  readonly epoch: number
  readonly code: string
}

/** The library itself has not done something, because the assignment is over by all that it knows. */
export interface Refused extends GroupPartition {
  readonly f: 'refused'
  readonly offset: bigint
  readonly operation: 'commit' | 'park' | 'complete'
}

/** The library has given a record the outcome `handled`: with an inbox, effect and mark are committed. */
export interface Handled extends GroupPartition {
  readonly f: 'handled'
  readonly offset: bigint
}

/** A partition waits for something outside. */
export interface Paused extends GroupPartition {
  readonly f: 'paused'
  readonly reason: string
}

/**
 * A call of a dedupe store or an inbox, written when it ends. `failed`: it does not answer, and may have done it. What went well is not
 * written, but for marks (`complete`), for transactions that took more than one try, and for commits of which the answer was lost and which
 * their mark has proven (`own`).
 */
export interface StoreCall {
  readonly f: 'store'
  readonly group: string
  readonly operation: 'begin' | 'complete' | 'abandon' | 'renew' | 'handle'
  /** The message. */
  readonly value: string
  readonly result: 'ok' | 'own' | 'failed'
  /** How often the handler was called in this one call of the inbox. */
  readonly tries?: number
  /** Of the database, of the system, or ours. */
  readonly code?: string
}

/** A dedupe store has forgotten marks and leases: all, or those that are younger than `since` (microseconds, as the stamp has). */
export interface StoreLoss {
  readonly f: 'store-loss'
  readonly since?: number
}

/** A process' wall clock is off by so much from now on. */
export interface WallClock {
  readonly f: 'wall-clock'
  readonly offsetMs: number
}

/**
 * A transaction that enqueues, written when it has ended. `failed`: nothing of it was committed, for certain. `in-doubt`: the answer to its commit was
 * lost. What the database has is the truth.
 */
export interface OutboxTransaction {
  readonly f: 'transaction'
  readonly txn: string
  readonly result: 'committed' | 'rolled-back' | 'failed' | 'in-doubt'
  /** Messages that it would commit. */
  readonly messages: number
  /** Of the database, or of the system. */
  readonly code?: string
}

/** A relay hands rows of one partition to the driver; in a transaction of Kafka's where it has one. */
export interface RelaySend {
  readonly f: 'relay-send'
  /** Counted by each process for itself. */
  readonly batch: number
  readonly topic: string
  readonly partition: number
  /** Message ids, in their order. */
  readonly ids: readonly string[]
}

/** How it ended; in a transaction, when that has ended. */
export interface RelayAnswer {
  readonly f: 'relay-answer'
  readonly batch: number
  /** Those that are on the log. */
  readonly acked: readonly string[]
  /** Where, as text. */
  readonly offsets: readonly string[]
  /** Of the first of the others: `HOLDFAST_INDETERMINATE` says that they may be there, everything else that they are not. */
  readonly code?: string
}

/** A relay marks rows as sent: that it is about to, that the database has done it, that it may have done it. */
export interface RelayMark {
  readonly f: 'relay-mark'
  readonly phase: 'invoke' | 'ok' | 'info'
  readonly ids: readonly string[]
}

/** A relay's buckets. `taken` and `lost` are written when it hears of it, `released` before it gives one back. */
export interface BucketChange {
  readonly f: 'bucket'
  readonly change: 'taken' | 'lost' | 'released'
  readonly bucket: number
  readonly epoch: bigint
}

/** A process is about to stop itself at a failpoint, until somebody lets it go on. */
export interface StandStill {
  readonly f: 'stand-still'
  readonly failpoint: string
}

/** The group goes on elsewhere by a seek or a policy, not by what it has handled. */
export interface Reset extends GroupPartition {
  readonly f: 'reset'
  readonly from: bigint
  readonly to: bigint
  readonly why: string
}

export interface Nemesis {
  readonly f: 'nemesis'
  readonly fault: string
  readonly target: string
  readonly phase: 'start' | 'stop'
}

export interface Health {
  readonly f: 'health'
  readonly group: string
  /** `healthy` or `unhealthy`; other words are not judged. */
  readonly state: string
  readonly reason?: string
}

export interface Resources {
  readonly f: 'resources'
  readonly rssMb: number
  readonly heapMb: number
  readonly sockets: number
  readonly timers: number
  readonly inFlight: number
  readonly bufferedBytes?: number
  /** `baseline`: before anything was started. `stopped`: after everything was closed. */
  readonly phase?: 'baseline' | 'stopped'
}

/** What a service printed. */
export interface Log {
  readonly f: 'log'
  readonly level: string
  readonly text: string
}

import type { DedupeOutcome } from './dedupe-store.ts'

/**
 * Marks messages as done in the handler's own transaction, in the database that the handler writes to: effect and mark are committed
 * together, or neither is. A message that comes again is recognised by its mark, whatever died in between.
 *
 * The mark is the transaction's first statement. Whoever has the same message meanwhile, in whatever process, waits for the end of that
 * transaction, and goes on only where it has left nothing: so two never work on one message, and a process that was taken for dead cannot
 * write after the one that took over.
 *
 * Each method fails with `HOLDFAST_STORE_UNAVAILABLE` (retriable) when the database does not answer or the connection is lost, in a commit
 * too, where nobody can know what became of it: the same call, repeated, finds out by the mark.
 */
export interface Inbox<Tx> {
  /** How long what is done is remembered, in milliseconds: as in `DedupeStore`. */
  readonly ttlMs?: number
  /** How many connections its pool has at most. Left out, nobody can tell whether they are enough before they run out. */
  readonly maxConnections?: number
  /**
   * Does the work in a transaction of its own, for those of the messages that are not done; not at all when each is. What the database ends
   * for the sake of others (a deadlock, a conflict of serializable transactions, a lock that took too long) is repeated whole, without an
   * end, until the signal aborts; then the connection is destroyed.
   *
   * @throws what the work throws, with nothing committed; HOLDFAST_TRANSACTION_ABORTED when the work went on after a statement of its had
   * failed, or ended the transaction itself; HOLDFAST_STORE_UNAVAILABLE.
   */
  handle<T>(
    call: InboxCall,
    work: (tx: Tx, fresh: readonly InboxMessage[]) => Promise<InboxEnd<T>>,
  ): Promise<InboxResult<T>>
  /**
   * Counts a beginning, in a transaction of its own: for messages that may have killed a process before.
   *
   * @throws HOLDFAST_STORE_UNAVAILABLE
   */
  begin(id: string): Promise<InboxBegin>
  /**
   * Says how many beginnings of a message that is not done have come to nothing.
   *
   * @throws HOLDFAST_STORE_UNAVAILABLE
   */
  abandon(id: string, failedAttempts: number): Promise<void>
  /**
   * Marks a message whose end is no effect of its handler, in a transaction of its own. One that is done already stays as it is.
   *
   * @throws HOLDFAST_STORE_UNAVAILABLE
   */
  complete(message: InboxMessage, outcome: DedupeOutcome): Promise<void>
  /**
   * Looks whether it can keep its promises with so many messages in handlers at a time: each takes a connection, and two more are needed
   * beside them.
   *
   * @throws HOLDFAST_CONFIG_INVALID: the consumer does not start. HOLDFAST_STORE_UNAVAILABLE.
   */
  check(handlersAtATime: number): Promise<void>
  /** Lets go of what the inbox itself holds open; never of a connection that the caller passed in. Safe to call twice. */
  close(): Promise<void>
}

/** A message as an inbox knows it. */
export interface InboxMessage {
  /** Names it within its group and handler; see `dedupeId`. */
  readonly id: string
  /** Stands in the mark: so a commit whose answer was lost is told from one of somebody else. The same for each try of one delivery. */
  readonly token: string
}

/** What is handled in one transaction. */
export interface InboxCall {
  /** One or more. Of several with one id the first is handled, and the others are known by its mark. */
  readonly messages: readonly InboxMessage[]
  readonly signal: AbortSignal
  /** How long its transaction may stand idle before the database ends it, in milliseconds: what a suspended process holds locked. */
  readonly idleTimeoutMs: number
}

/** How a work ends that does not throw. */
export interface InboxEnd<T> {
  /** Is what it did to be kept, and each message done? */
  readonly commit: boolean
  readonly value: T
}

/** What became of {@link Inbox.handle}. */
export type InboxResult<T> =
  | { readonly kind: 'committed' | 'rolled-back'; readonly value: T; readonly done: InboxDone }
  /** All were done before: the work was not called. */
  | { readonly kind: 'done'; readonly done: InboxDone }

/** The messages of a call that were done before it. `own`: under the message's own token, by a commit whose answer was lost. */
export type InboxDone = ReadonlyMap<InboxMessage, { readonly outcome: DedupeOutcome; readonly own: boolean }>

/** What became of {@link Inbox.begin}. */
export type InboxBegin =
  | { readonly kind: 'started'; /** From 1. */ readonly attempt: number }
  | { readonly kind: 'done'; readonly outcome: DedupeOutcome }

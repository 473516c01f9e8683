/**
 * Remembers which messages are done, and lets one caller at a time work on one that is not.
 *
 * A **lease** says "somebody works on it"; it is short, renewed, and ends by itself when its holder dies. A **mark** says "it is
 * done"; it is made by {@link DedupeStore.complete} alone, after the effect, and lives as long as duplicates can still come:
 * retries, lag and replays included. The two have separate lifetimes: no lease makes a mark, and no mark ends with a lease.
 *
 * A crash between `begin` and `complete` leaves the lease to run out; the message then begins again with the next attempt
 * number, so a message that kills its process is still counted. A crash after the effect and before `complete` repeats the
 * effect: only an inbox that shares the handler's transaction closes that gap.
 *
 * A store that knows its answer at once may give it at once, without a promise, and may throw what it would else reject with: for a
 * quick handler, promises around what is there already would cost more than the handler.
 *
 * Every method may fail with `HOLDFAST_STORE_UNAVAILABLE` (retriable): the store does not answer, and what was asked may or
 * may not have been done. Repeating the same call is safe for each of them; a `begin` whose answer was lost has left a lease
 * that nobody holds, so its repetition is `busy` until that runs out.
 */
export interface DedupeStore {
  /**
   * How long what is done is remembered, in milliseconds; `Infinity` where it is never forgotten. A consumer compares it with how late a
   * duplicate may come, and does not start where it is too short. Left out, nobody can tell: the plan says `unknown`.
   */
  readonly ttlMs?: number
  /**
   * Asks for the right to work on a message.
   *
   * @param id - names the message within its group and handler; see {@link dedupeId}.
   * @throws HOLDFAST_STORE_UNAVAILABLE; HOLDFAST_CONFIG_INVALID when `leaseMs` does not fit.
   */
  begin(id: string, options: BeginOptions): Promise<BeginResult> | BeginResult
  /**
   * Marks the message as done and ends the lease, in one step. Call it after the effect (or the acknowledged park) and before
   * the offset moves.
   *
   * A lease that has run out, but which nobody began again, can still be completed. Completing again with the token that made
   * the mark does nothing, so a call whose answer was lost is simply repeated.
   *
   * @throws HOLDFAST_LEASE_LOST when the message was begun again by somebody else, or this token was abandoned; nothing is
   * marked. HOLDFAST_STORE_UNAVAILABLE.
   */
  complete(token: LeaseToken, outcome: DedupeOutcome): Promise<void> | void
  /**
   * Gives the message back unmarked, so that it can begin again at once; an older mark (of a replay) stays. Does nothing when the
   * lease is lost or ended already.
   *
   * @param failedAttempts - how many attempts the message has used up so far: the next begin is one more. Left out, this begin does
   * not count: its holder was interrupted and lives, so the message is not at fault. An integer of 0 or more.
   * @throws HOLDFAST_STORE_UNAVAILABLE: the lease then runs out by itself, and counts.
   */
  abandon(token: LeaseToken, failedAttempts?: number): Promise<void> | void
  /**
   * Makes the lease last `leaseMs` from now. Takes a lease that has run out back, as long as nobody began the message again.
   *
   * @throws HOLDFAST_LEASE_LOST when the message was begun again, completed or abandoned: the holder must stop, its effect is
   * no longer fenced. HOLDFAST_STORE_UNAVAILABLE; HOLDFAST_CONFIG_INVALID when `leaseMs` does not fit.
   */
  renew(token: LeaseToken, leaseMs: number): Promise<void> | void
  /**
   * Looks whether the store can keep its promises as it is set up. A consumer asks before it starts, and starts all the same when the
   * store does not answer: its records wait then.
   *
   * @throws HOLDFAST_CONFIG_INVALID: the consumer does not start. HOLDFAST_STORE_UNAVAILABLE.
   */
  check?(): Promise<void>
  /** Lets go of what the store itself holds open; never of a connection that the caller passed in. Safe to call twice. */
  close?(): Promise<void>
}

/** How a message is begun. */
export interface BeginOptions {
  /**
   * How long, in milliseconds, the right to work lasts unless renewed: an integer from 1 to 2^31 − 1. Longer than the handler's
   * deadline. After a crash the message waits this long before anybody can begin it.
   */
  readonly leaseMs: number
  /**
   * Begins even what is done: for messages that an operator replays. A mark stays until the replay completes. Attempts count
   * from 1 again, since completing a message ends its count. A replayed record that is delivered twice begins twice.
   *
   * @defaultValue `false`
   */
  readonly replay?: boolean
}

/** What became of a {@link DedupeStore.begin}. */
export type BeginResult =
  | {
      /** The caller, and nobody else, works on the message until the lease ends. */
      readonly kind: 'started'
      readonly token: LeaseToken
      /**
       * From 1: one more than the attempts that are known to have come to nothing since the message was last completed. A lease that
       * ran out counts as one, an abandoned begin as its holder said.
       */
      readonly attempt: number
    }
  | {
      /** It is done: a duplicate, whose offset may move. */
      readonly kind: 'done'
      readonly outcome: DedupeOutcome
    }
  | {
      /** Somebody works on it and may yet fail: wait, or have it delivered again. Never acknowledge it, or it is lost with its holder. */
      readonly kind: 'busy'
      /** When the lease ends unless it is renewed: milliseconds since the epoch on this process's wall clock. Worth waiting for, proves nothing. */
      readonly untilMs: number
    }

/** How a message was done: its handler succeeded, or it stands on the dead letter topic. */
export type DedupeOutcome = 'handled' | 'parked'

/** Proves one `begin`. Opaque, made by the store; no two begins have the same, so the holder of an older lease is refused. */
export type LeaseToken = string

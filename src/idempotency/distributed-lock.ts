/**
 * Lets one holder at a time work under a name, in whatever process it is.
 *
 * **A lock alone keeps nothing safe**: a process can stand still for longer than its lease, and go on without knowing that another one holds
 * the lock by then. Its {@link HeldLock.signal} aborts before the lease can end on the server, but a process that stands still hears no signal.
 * What makes it safe is the {@link HeldLock.token}: a resource that keeps the greatest token it has seen refuses whoever comes with an older one.
 *
 * A holder that dies leaves its lock to run out: the name is free when the lease has ended, `leaseMs` after its last renewal at the latest.
 * Those who wait look again and again; none is promised to come first, however long it has waited.
 */
export interface DistributedLock {
  /**
   * Takes the lock, if nobody has it; with `waitMs` as soon as nobody has it.
   *
   * @param name - any text; different names never wait for each other.
   * @throws HOLDFAST_LOCK_TIMEOUT (retriable) when it was still taken after `waitMs`; HOLDFAST_ABORTED when `signal` ended the wait;
   * HOLDFAST_STORE_UNAVAILABLE (retriable) when the server does not answer: the lock may have been taken then, and runs out by itself;
   * HOLDFAST_CONFIG_INVALID.
   */
  acquire(name: string, options?: AcquireOptions): Promise<AcquireResult>
  /**
   * Does the work while it holds the lock, and gives the lock back when the work ends, however it ends. The work is not called when somebody
   * else has the lock.
   *
   * @throws what the work throws; HOLDFAST_LOCK_LOST when the lock was lost before the work had ended: another may have worked beside it; what
   * {@link DistributedLock.acquire} throws.
   */
  withLock<T>(
    name: string,
    work: (held: HeldLock) => Promise<T> | T,
    options?: AcquireOptions,
  ): Promise<WithLockResult<T>>
  /**
   * Looks whether the server can keep the promises of a lock.
   *
   * @throws HOLDFAST_CONFIG_INVALID; HOLDFAST_STORE_UNAVAILABLE.
   */
  check(): Promise<void>
}

/** How a lock is taken. */
export interface AcquireOptions {
  /**
   * How long, in milliseconds, the lock outlives a holder that dies or is cut off. It is renewed every third of that, and counts as lost at
   * three quarters without a renewal. An integer from 100 to 2^31 − 1: longer than anything that blocks the event loop.
   *
   * @defaultValue `30_000`
   */
  readonly leaseMs?: number
  /**
   * How long to wait, in milliseconds, for a lock that somebody else has. An integer from 1 to 2^31 − 1.
   *
   * @defaultValue no wait: the answer is `busy`
   */
  readonly waitMs?: number
  /** Ends the wait. What is held already stays so. */
  readonly signal?: AbortSignal
}

/** What became of an {@link DistributedLock.acquire}. */
export type AcquireResult = HeldLock | LockBusy

/** Somebody else has it. */
export interface LockBusy {
  readonly kind: 'busy'
}

/** A lock that is held, until it is given back or lost. */
export interface HeldLock {
  readonly kind: 'acquired'
  /**
   * The fencing token: greater than that of every earlier holder of this name. Hand it to what is written to, which refuses a smaller one than
   * it has seen.
   */
  readonly token: bigint
  /**
   * Aborts when the lock is lost: it passed to somebody else, its connection broke, or no renewal was confirmed in time. It does so before the
   * lease can end on the server, unless this process stood still. Its reason is HOLDFAST_LOCK_LOST. Never aborts once the lock is given back.
   */
  readonly signal: AbortSignal
  /** Gives it back. Never rejects: what the server cannot be told runs out by itself. Does nothing when it is lost, or given back already. */
  release(): Promise<void>
  /** As {@link HeldLock.release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** What became of a {@link DistributedLock.withLock}. */
export type WithLockResult<T> = { readonly kind: 'done'; readonly value: T } | LockBusy

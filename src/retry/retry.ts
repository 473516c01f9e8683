import pRetry from 'p-retry'
import type { Runtime } from '../clock/index.ts'
import { backoffDelay } from './backoff.ts'
import type { RetryPolicy } from './retry-policy.ts'

/** What is called again and again, and under which rules. */
export interface RetryTask {
  readonly policy: RetryPolicy
  /** The number of the first call; more than 1 when earlier ones happened in a process that has gone. @defaultValue `1` */
  readonly firstAttempt?: number
  /** What a first call has thrown that the caller made itself: it counts as that call's failure. @defaultValue none: the first call is made here */
  readonly firstFailure?: { readonly thrown: unknown }
  /** Ends a wait at once; a call under way goes on to its end, and what it says still counts. */
  readonly signal: AbortSignal
  readonly runtime: Pick<Runtime, 'clock' | 'random'>
  /** Decides what follows a failure. Must not throw. @defaultValue always `retry` */
  readonly rule?: (failure: AttemptFailure) => Ruling
  /** Told before each wait. Must not throw. */
  readonly onWait?: (failure: AttemptFailure, delayMs: number) => void
}

/** One failed call. What was thrown is a value like any other: it may be null, a string, or no error at all. */
export interface AttemptFailure {
  readonly attempt: number
  readonly thrown: unknown
}

/** What follows a failure. `wait` calls again without counting the attempt, however often; its waits grow like those of `retry`. */
export type Ruling =
  | { readonly kind: 'retry'; readonly delayMs?: number | undefined }
  | { readonly kind: 'wait'; readonly delayMs?: number | undefined }
  | { readonly kind: 'give-up' }

/** How it ended. `attempts` is the number of the last call that counted. */
export type RetryResult<T> =
  | { readonly kind: 'succeeded'; readonly value: T; readonly attempts: number }
  | { readonly kind: 'failed'; readonly thrown: unknown; readonly attempts: number }
  | { readonly kind: 'stopped'; readonly attempts: number }

/**
 * Calls until a call succeeds, the attempts are used up, the rule gives up, or the signal aborts. Never rejects: whatever the
 * call throws is in the result.
 *
 * A crash during a wait forgets the attempts made so far, unless the caller keeps count and passes `firstAttempt`.
 */
export async function retry<T>(call: (attempt: number) => T | Promise<T>, task: RetryTask): Promise<RetryResult<T>> {
  const { policy, signal, runtime } = task
  let attempt = task.firstAttempt ?? 1
  let waits = 0

  const beforeNextCall = async (thrown: unknown): Promise<void> => {
    const failure: AttemptFailure = { attempt, thrown }
    const ruling = task.rule?.(failure) ?? RETRY
    const counts = ruling.kind === 'retry'
    if (ruling.kind === 'give-up' || (counts && attempt >= policy.maxAttempts)) {
      throw new Ended({ kind: 'failed', thrown, attempts: attempt })
    }
    waits = counts ? 0 : waits + 1
    const failures = counts ? attempt : waits
    const delayMs = ruling.delayMs ?? backoffDelay(policy, failures, runtime.random())
    if (!signal.aborted) task.onWait?.(failure, delayMs)
    try {
      await runtime.clock.sleep(delayMs, signal)
    } catch {
      throw new Ended({ kind: 'stopped', attempts: attempt })
    }
    if (counts) attempt++
  }

  // The first call is made outside of p-retry: nearly all succeed, and its set-up would cost each of them more than all of ours.
  let pending: Failed | null
  if (task.firstFailure !== undefined) pending = new Failed(task.firstFailure.thrown)
  else {
    try {
      return { kind: 'succeeded', value: await call(attempt), attempts: attempt }
    } catch (thrown) {
      pending = new Failed(thrown)
    }
  }

  const nextCall = async (): Promise<T> => {
    if (pending !== null) {
      const failure = pending
      pending = null
      throw failure
    }
    try {
      return await call(attempt)
    } catch (thrown) {
      throw new Failed(thrown)
    }
  }
  try {
    const value = await pRetry(nextCall, {
      ...NO_DELAY_OF_ITS_OWN,
      onFailedAttempt: ({ error }) => beforeNextCall((error as Failed).thrown),
    })
    return { kind: 'succeeded', value, attempts: attempt }
  } catch (end) {
    if (end instanceof Ended) return end.result
    throw end
  }
}

const RETRY: Ruling = { kind: 'retry' }

/** p-retry sets a timer only for a delay above 0; our clock does the waiting, so that a virtual one can own it. */
const NO_DELAY_OF_ITS_OWN = { retries: Infinity, minTimeout: 0, factor: 1, randomize: false } as const

/** Carries what was thrown past p-retry, which turns what is no Error into a TypeError and retries no TypeError. */
class Failed extends Error {
  readonly thrown: unknown
  constructor(thrown: unknown) {
    super('an attempt failed')
    this.thrown = thrown
  }
}

/** Ends p-retry's loop with a result of ours. */
class Ended extends Error {
  readonly result: Exclude<RetryResult<never>, { kind: 'succeeded' }>
  constructor(result: Exclude<RetryResult<never>, { kind: 'succeeded' }>) {
    super('no further attempt')
    this.result = result
  }
}

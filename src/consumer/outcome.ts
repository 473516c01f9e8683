/**
 * What a handler may say about its message instead of returning nothing (handled) or throwing (failed attempt). Made by
 * {@link park}, {@link skip}, {@link retryAfter} and {@link pauseFor}.
 */
export type HandlerOutcome = ParkOutcome | SkipOutcome | RetryAfterOutcome | PauseForOutcome

interface ParkOutcome {
  readonly kind: 'park'
  readonly reason: string
}
interface SkipOutcome {
  readonly kind: 'skip'
  readonly reason: string
}
interface RetryAfterOutcome {
  readonly kind: 'retry-after'
  readonly delayMs: number
}
interface PauseForOutcome {
  readonly kind: 'pause-for'
  readonly delayMs: number
}

/** Parks the message on the dead letter topic now, whatever attempts are left. The reason is stored; no payload in it. */
export function park(reason: string): HandlerOutcome {
  return { kind: 'park', reason }
}

/** Lets the message go unhandled, by decision: counted and logged with the reason, never silent. */
export function skip(reason: string): HandlerOutcome {
  return { kind: 'skip', reason }
}

/** A failed attempt that chooses its own wait, in milliseconds. It counts like any other: after the last one the message is parked. */
export function retryAfter(delayMs: number): HandlerOutcome {
  return { kind: 'retry-after', delayMs }
}

/** Something the handler depends on is out: the partition waits, in milliseconds, and the attempt does not count. */
export function pauseFor(delayMs: number): HandlerOutcome {
  return { kind: 'pause-for', delayMs }
}

/**
 * What a handler has said by its return value; null for anything that is none of ours: a handler that happens to return a number, a
 * row or `true` has handled its message.
 */
export function handlerOutcomeOf(returned: unknown): HandlerOutcome | null {
  if (typeof returned !== 'object' || returned === null || !('kind' in returned)) return null
  const { kind } = returned
  if (kind === 'park' || kind === 'skip') {
    return 'reason' in returned && typeof returned.reason === 'string' ? { kind, reason: returned.reason } : null
  }
  if (kind === 'retry-after' || kind === 'pause-for') {
    return 'delayMs' in returned && typeof returned.delayMs === 'number' ? { kind, delayMs: returned.delayMs } : null
  }
  return null
}

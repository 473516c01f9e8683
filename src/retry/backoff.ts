import type { RetryPolicy } from './retry-policy.ts'

/** What of a policy decides how long a wait is. */
export type Backoff = Pick<RetryPolicy, 'initialDelayMs' | 'factor' | 'maxDelayMs' | 'jitter'>

/**
 * How long to wait after a number of failures in a row: `initialDelayMs × factor^(failures − 1)`, moved by the jitter, never
 * longer than `maxDelayMs`. Pure: the same arguments give the same wait.
 *
 * @param failures - 1 or more; any size, no overflow.
 * @param random - from 0 (included) to 1 (excluded); 0.5 is the nominal wait.
 * @returns whole milliseconds.
 */
export function backoffDelay(backoff: Backoff, failures: number, random: number): number {
  const { initialDelayMs, factor, maxDelayMs, jitter } = backoff
  if (initialDelayMs === 0) return 0 // 0 × Infinity, which a large exponent gives, is NaN
  const nominal = Math.min(initialDelayMs * factor ** (failures - 1), maxDelayMs)
  return Math.min(Math.round(nominal * (1 + jitter * (2 * random - 1))), Math.floor(maxDelayMs))
}

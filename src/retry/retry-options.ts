/** How often, and how patiently, a failed handler is called again in place. */
export interface RetryOptions {
  /**
   * Calls in total, the first included: `1` never retries. An integer of 1 to 1,000,000.
   *
   * @defaultValue `4`
   */
  readonly maxAttempts?: number
  /**
   * The wait before the second attempt, in milliseconds. 0 to 2^31 − 1.
   *
   * @defaultValue `200`
   */
  readonly initialDelayMs?: number
  /**
   * Each wait is this many times the one before; fractions count. 1 to 100.
   *
   * @defaultValue `2`
   */
  readonly factor?: number
  /**
   * The longest single wait, in milliseconds, jitter included. At least `initialDelayMs`.
   *
   * @defaultValue `5_000`
   */
  readonly maxDelayMs?: number
  /**
   * How far a wait may be off its nominal length, as a part of it: `0.2` draws from 80 % to 120 %. 0 to 1. It keeps consumers
   * that failed together from coming back together.
   *
   * @defaultValue `0.2`
   */
  readonly jitter?: number
}

import type { Clock } from '../../clock/index.ts'

/** A moment on the monotonic clock after which a call has to end. */
export interface Deadline {
  /** Milliseconds left; 0 or less when it is over. */
  left(): number
  /** What a promise resolves to, or `LATE` at the deadline. The promise goes on; its later rejection is swallowed. */
  race<T>(promise: Promise<T>): Promise<T | typeof LATE>
  /** A deadline at most `ms` from now, and never later than this one. */
  within(ms: number): Deadline
  /** Waits, but not beyond the deadline. */
  pause(ms: number): Promise<void>
}

/** The deadline came first. */
export const LATE: unique symbol = Symbol('late')

/** A deadline `timeoutMs` from now. */
export function deadlineIn(clock: Clock, timeoutMs: number): Deadline {
  const at = clock.monotonic() + timeoutMs
  const left = (): number => at - clock.monotonic()
  return {
    left,
    race: (promise) =>
      new Promise((resolve, reject) => {
        const timer = clock.after(Math.max(0, left()), () => resolve(LATE))
        promise.then(
          (value) => {
            timer.cancel()
            resolve(value)
          },
          (error: Error) => {
            timer.cancel()
            reject(error)
          },
        )
      }),
    within: (ms) => deadlineIn(clock, Math.min(ms, left())),
    pause: (ms) => clock.sleep(Math.max(0, Math.min(ms, left()))),
  }
}

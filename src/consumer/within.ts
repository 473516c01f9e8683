import type { Clock } from '../clock/index.ts'

/** Waits for work, but no longer than `ms`. True when it was done in time; the work itself goes on either way. */
export function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => resolve(false))
    const settle = (then: () => void) => (): void => {
      timer.cancel()
      then()
    }
    work.then(
      settle(() => resolve(true)),
      (error: unknown) => settle(() => reject(error as Error))(),
    )
  })
}

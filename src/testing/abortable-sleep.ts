import type { Clock } from '../clock/index.ts'

/** A clock's `sleep`, made of its `after`. */
export function abortableSleep(after: Clock['after']): Clock['sleep'] {
  return (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = (): void => {
        timer.cancel()
        reject(signal!.reason as Error)
      }
      const timer = after(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
}

import { performance } from 'node:perf_hooks'
import { nextTurn } from './next-turn.ts'

/** Time, and waiting for it. */
export interface Clock {
  /** Wall clock, in milliseconds since the epoch. It can jump: for timestamps only, never for durations. */
  now(): number
  /** Milliseconds since some fixed moment; never goes back. For durations, leases and deadlines. */
  monotonic(): number
  /**
   * Waits. Rejects with the signal's reason as soon as it aborts.
   *
   * @param ms - 0 or more; longer than {@link MAX_TIMER_MS} is waited in parts, since Node fires such a timer at once.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Lets the event loop have its turn: what timers and sockets have for it comes before what follows. */
  turn(): Promise<void>
  /** Calls once, after `ms`. Does not keep the process alive. */
  after(ms: number, call: () => void): Timer
  /** Calls again and again, every `ms`. Does not keep the process alive. */
  every(ms: number, call: () => void): Timer
}

/** A call that was asked for and can be called off. */
export interface Timer {
  cancel(): void
}

/** The longest wait that Node's timers take: 2^31 − 1 ms; a longer one fires after a few milliseconds. */
export const MAX_TIMER_MS = 2_147_483_647

/** The machine's own clocks and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    for (let left = ms; ; left -= MAX_TIMER_MS) {
      await sleepOnce(Math.min(left, MAX_TIMER_MS), signal)
      if (left <= MAX_TIMER_MS) return
    }
  },
  turn: nextTurn,
  after(ms, call) {
    const timer = setTimeout(call, Math.min(ms, MAX_TIMER_MS))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  every(ms, call) {
    const timer = setInterval(call, Math.min(ms, MAX_TIMER_MS))
    timer.unref()
    return { cancel: () => clearInterval(timer) }
  },
}

function sleepOnce(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error)
      return
    }
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal!.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

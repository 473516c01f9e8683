import type { Clock, Timer } from '../clock/index.ts'
import { nextTurn } from '../clock/index.ts'
import { abortableSleep } from './abortable-sleep.ts'

/** How a test moves virtual time. Each call first lets everything that is ready run, and again after each timer that fires. */
export interface TimeControls {
  /** Moves time on by `ms`, firing on the way, in order, every timer that comes due. */
  readonly advance: (ms: number) => Promise<void>
  /**
   * Moves time on until no `sleep` and no `after` is left; what repeats (`every`) fires on the way and does not count.
   *
   * @throws Error when that takes more than `maxMs` of virtual time, an hour unless told.
   */
  readonly runUntilIdle: (options?: TimeBound) => Promise<void>
  /**
   * Moves time on, from timer to timer, until the condition holds.
   *
   * @throws Error when nothing is left that could make it true, or after `maxMs` of virtual time, an hour unless told.
   */
  readonly runUntil: (condition: () => boolean, options?: TimeBound) => Promise<void>
  /**
   * Moves time on until the promise settles, and answers as it does.
   *
   * @throws what the promise rejects with; Error as {@link TimeControls.runUntil} does.
   */
  readonly run: <T>(work: Promise<T>, options?: TimeBound) => Promise<T>
}

/** The most virtual time that a call may use. */
export interface TimeBound {
  /** @defaultValue `3_600_000` */
  readonly maxMs?: number
}

/** A clock that stands still until a test moves it: no test waits, and every run is the same. */
export interface VirtualClock extends Clock, TimeControls {
  /** How many timers are waiting, repeating ones included. */
  readonly pending: number
  /**
   * Lets time pass while nothing runs, as a computation does that blocks the event loop, or a suspended process: what comes due meanwhile
   * fires late, at the next move of time, and what repeats fires once.
   */
  block(forMs: number): void
  /** Makes the wall clock jump, forward or back, as a time server does; timers and the monotonic clock do not notice. */
  jumpWallClock(byMs: number): void
}

/** Where a virtual clock begins. */
export interface VirtualClockOptions {
  /**
   * The wall clock's first reading, in milliseconds since the epoch.
   *
   * @defaultValue 2026-01-01T00:00:00Z
   */
  readonly startAt?: number
}

interface PendingTimer {
  at: number
  order: number
  readonly repeatMs: number | null
  readonly call: () => void
}

/** 2026-01-01T00:00:00Z */
export const START_AT = 1_767_225_600_000
const HOUR_MS = 3_600_000

/** Makes a {@link VirtualClock}. Its monotonic clock begins at 1,000, unlike the wall clock, so that mixing them up shows. */
export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const timers = new Set<PendingTimer>()
  let elapsed = 1_000
  let wallOffset = (options.startAt ?? START_AT) - elapsed
  let order = 0

  const add = (ms: number, repeatMs: number | null, call: () => void): Timer => {
    const timer: PendingTimer = { at: elapsed + Math.max(0, ms), order: order++, repeatMs, call }
    timers.add(timer)
    return { cancel: () => void timers.delete(timer) }
  }

  const next = (): PendingTimer | undefined => {
    let first: PendingTimer | undefined
    for (const timer of timers) {
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer
    }
    return first
  }

  const fire = async (timer: PendingTimer): Promise<void> => {
    elapsed = Math.max(elapsed, timer.at)
    if (timer.repeatMs === null) timers.delete(timer)
    else {
      timer.at = elapsed + Math.max(1, timer.repeatMs)
      timer.order = order++
    }
    timer.call()
    await nextTurn()
  }

  const advanceTo = async (target: number): Promise<void> => {
    await nextTurn()
    for (let timer = next(); timer !== undefined && timer.at <= target; timer = next()) await fire(timer)
    elapsed = Math.max(elapsed, target)
  }

  const runUntil = async (condition: () => boolean, { maxMs = HOUR_MS }: TimeBound = {}): Promise<void> => {
    const last = elapsed + maxMs
    for (await nextTurn(); !condition();) {
      const timer = next()
      if (timer === undefined)
        throw new Error('virtual time: the condition does not hold, and nothing is left that could change it')
      if (timer.at > last) throw new Error(`virtual time: the condition did not come to hold within ${maxMs} ms`)
      await fire(timer)
    }
  }

  return {
    now: () => elapsed + wallOffset,
    monotonic: () => elapsed,
    sleep: abortableSleep((ms, call) => add(ms, null, call)),
    turn: nextTurn,
    after: (ms, call) => add(ms, null, call),
    every: (ms, call) => add(Math.max(1, ms), ms, call),
    get pending() {
      return timers.size
    },
    block: (forMs) => void (elapsed += Math.max(0, forMs)),
    jumpWallClock: (byMs) => void (wallOffset += byMs),
    advance: (ms) => advanceTo(elapsed + ms),
    runUntilIdle: (bound) => runUntil(() => ![...timers].some((timer) => timer.repeatMs === null), bound),
    runUntil,
    async run<T>(work: Promise<T>, bound?: TimeBound): Promise<T> {
      let settled = false
      const settle = (): void => void (settled = true)
      work.then(settle, settle)
      await runUntil(() => settled, bound)
      return work
    },
  }
}

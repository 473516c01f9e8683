import type { Clock, Timer } from './clock.ts'

/** What a program reads past every port: time, timers and chance of the machine. */
export interface GlobalTime {
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'after' | 'every'>
  /** A number from 0 (included) to 1 (excluded). */
  readonly random: () => number
}

/**
 * Stands in for the globals of time in this thread: `Date`, `performance.now`, `setTimeout`, `setInterval`, their ends, and `Math.random`. For
 * simulations: p-retry and lru-cache read them, and so does the code that they run beside. Nothing else should need it.
 *
 * What is imported from `node:timers/promises`, `setImmediate`, microtasks and `node:crypto` stay the machine's own.
 *
 * @returns a function that gives the machine's own back. Timers that are left never fire.
 */
export function standInForGlobalTime(time: GlobalTime): () => void {
  const { clock, random } = time
  const own = { Date, setTimeout, setInterval, clearTimeout, clearInterval }
  const ownRandom = Math.random
  const ownNow = Object.getOwnPropertyDescriptor(performance, 'now')

  const clear =
    (ownClear: (timer: never) => void) =>
    (timer: unknown): void => {
      if (timer instanceof GlobalTimer) timer.close()
      else ownClear(timer as never)
    }
  Object.assign(globalThis, {
    Date: dateOf(own.Date, () => clock.now()),
    setTimeout: (call: Call, ms = 1, ...args: unknown[]) =>
      new GlobalTimer(() => clock.after(atLeast1(ms), () => call(...args))),
    setInterval: (call: Call, ms = 1, ...args: unknown[]) =>
      new GlobalTimer(() => clock.every(atLeast1(ms), () => call(...args))),
    clearTimeout: clear(own.clearTimeout),
    clearInterval: clear(own.clearInterval),
  })
  Math.random = random
  Object.defineProperty(performance, 'now', { value: () => clock.monotonic(), configurable: true, writable: true })

  return () => {
    Object.assign(globalThis, own)
    Math.random = ownRandom
    if (ownNow === undefined)
      delete (performance as { now?: unknown }).now // it is the prototype's
    else Object.defineProperty(performance, 'now', ownNow)
  }
}

type Call = (...args: unknown[]) => void

/** As Node does it: what is no number, or less than 1, is 1. */
function atLeast1(ms: unknown): number {
  const given = Number(ms)
  return given >= 1 ? given : 1
}

/** `Date` with another now. A proxy, so that dates made before and after are instances of both. */
function dateOf(own: DateConstructor, now: () => number): DateConstructor {
  const floored = (): number => Math.floor(now())
  return new Proxy(own, {
    apply: () => new own(floored()).toString(),
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [floored()] : args, newTarget) as Date,
    get: (target, property) => (property === 'now' ? floored : (Reflect.get(target, property) as unknown)),
  })
}

/** What programs do with Node's timer: hold it, give it back, begin it anew. */
class GlobalTimer {
  readonly #begin: () => Timer
  #timer: Timer
  constructor(begin: () => Timer) {
    this.#begin = begin
    this.#timer = begin()
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
  refresh(): this {
    this.#timer.cancel()
    this.#timer = this.#begin()
    return this
  }
  close(): this {
    this.#timer.cancel()
    return this
  }
  [Symbol.dispose](): void {
    this.close()
  }
}

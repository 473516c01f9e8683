import type { Failpoint } from '../clock/index.ts'
import { deferred } from './deferred.ts'

/** Stops, breaks and watches the code under test at its failpoints. Pass `failpoint` to {@link virtualRuntime}. */
export interface Failpoints {
  readonly failpoint: Failpoint
  /** Every failpoint passed so far, in order. */
  readonly reached: readonly string[]
  /** Throws at the next passing of this name, once; by default an Error that names the failpoint. */
  throwAt(name: string, error?: unknown): void
  /** Stops whoever passes this name next, once, until released. */
  holdAt(name: string): Hold
}

/** One stop at a failpoint. */
export interface Hold {
  /** Resolves when somebody stands there. */
  readonly reached: Promise<void>
  /** Lets it go on; before it is reached, calls the stop off. */
  release(): void
}

/** Makes {@link Failpoints}. What is asked for one name happens in the order it was asked for, one a passing. */
export function failpoints(): Failpoints {
  const reached: string[] = []
  const planned = new Map<string, Array<() => void | Promise<void>>>()
  const plan = (name: string, action: () => void | Promise<void>): void => {
    planned.set(name, [...(planned.get(name) ?? []), action])
  }

  return {
    reached,
    failpoint(name) {
      reached.push(name)
      return planned.get(name)?.shift()?.()
    },
    throwAt(name, error = new Error(`failpoint ${name}`)) {
      plan(name, () => {
        throw error
      })
    },
    holdAt(name) {
      const arrival = deferred()
      const departure = deferred()
      plan(name, () => {
        arrival.resolve()
        return departure.promise
      })
      return { reached: arrival.promise, release: () => departure.resolve() }
    },
  }
}

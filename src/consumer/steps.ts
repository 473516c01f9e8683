import { isPromiseLike } from '../topic/index.ts'

/**
 * Work in steps, some of which have to be waited for: as an async function, with `yield*` {@link settled} for `await`, but done at once where
 * nothing has to be waited for. An async function would make promises for it all the same, which for a handler that does nothing cost
 * more than all else.
 */
export type Steps<T> = Generator<unknown, T, unknown>

/** Waits for a promise, within {@link Steps}. */
export function* settled<T>(promise: T | PromiseLike<T>): Steps<T> {
  return (yield promise) as T
}

/**
 * Runs steps to their end: what they return, or a promise of it.
 *
 * @throws (thrown, or rejected by the promise) what they throw
 */
export function run<T>(steps: Steps<T>): T | Promise<T> {
  const first = steps.next()
  return first.done === true
    ? first.value
    : new Promise((resolve, reject) => follow(steps, first.value, resolve, reject))
}

/** Goes on as soon as what is waited for is there, in the same turn: each `await` on the way would be a turn more. */
function follow<T>(
  steps: Steps<T>,
  first: unknown,
  resolve: (value: T) => void,
  reject: (thrown: unknown) => void,
): void {
  const goOn = (advance: () => IteratorResult<unknown, T>): void => {
    try {
      const step = advance()
      if (step.done === true) resolve(step.value)
      else wait(step.value)
    } catch (thrown) {
      reject(thrown)
    }
  }
  const next = (value: unknown): void => goOn(() => steps.next(value))
  const fail = (thrown: unknown): void => goOn(() => steps.throw(thrown))
  const wait = (on: unknown): void => {
    if (isPromiseLike(on))
      on.then(next, fail) // oxlint-disable-line no-callback-in-promise -- these go on, they are nobody's callbacks
    else next(on)
  }
  wait(first)
}

import { expect, test } from 'vitest'
import type { Steps } from '../../src/consumer/steps.ts'
import { run, settled } from '../../src/consumer/steps.ts'

test('steps that wait for nothing are done at once', () => {
  const steps = function* (): Steps<number> {
    yield* []
    return 1
  }
  expect(run(steps())).toBe(1)
})

test('steps that wait go on with what they waited for, each after the other', async () => {
  const steps = function* (): Steps<string> {
    const a = yield* settled(Promise.resolve('a'))
    const b = yield* settled('b')
    const c = yield* settled(Promise.resolve('c'))
    return a + b + c
  }
  expect(await run(steps())).toBe('abc')
})

test('what a promise rejects with is thrown where it was waited for, and a finally that waits has its turn', async () => {
  const done: string[] = []
  const steps = function* (): Steps<string> {
    try {
      try {
        yield* settled(Promise.reject(new Error('no')))
      } finally {
        yield* settled(Promise.resolve())
        done.push('cleared up')
      }
    } catch (thrown) {
      return (thrown as Error).message
    }
    return 'never'
  }
  expect(await run(steps())).toBe('no')
  expect(done).toEqual(['cleared up'])
})

test('what steps throw comes out: at once before they wait, by the promise after that', async () => {
  const steps = function* (wait: boolean): Steps<void> {
    if (wait) yield* settled(Promise.resolve())
    throw new TypeError('a bug')
  }
  expect(() => run(steps(false))).toThrow(TypeError)
  await expect(run(steps(true))).rejects.toThrow(TypeError)
})

import { expect, test, vi } from 'vitest'
import type { RetryTask } from '../../src/retry/index.ts'
import { DEFAULT_RETRY_POLICY, retry, retrySchema } from '../../src/retry/index.ts'
import { virtualRuntime } from '../../src/testing/index.ts'

const policy = { maxAttempts: 4, initialDelayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0 }

function setup(overrides: Partial<RetryTask> = {}) {
  const runtime = virtualRuntime()
  const controller = new AbortController()
  const waits: number[] = []
  const task: RetryTask = {
    policy,
    signal: controller.signal,
    runtime,
    onWait: (_, delayMs) => waits.push(delayMs),
    ...overrides,
  }
  return { runtime, controller, waits, task }
}

test('a call that succeeds is made once, and no timer is touched', async () => {
  const { runtime, task } = setup()
  const calls: number[] = []
  await expect(retry((attempt) => calls.push(attempt), task)).resolves.toEqual({
    kind: 'succeeded',
    value: 1,
    attempts: 1,
  })
  expect(calls).toEqual([1])
  expect(runtime.clock.pending).toBe(0)
})

test('a failing call is made again with growing waits, until its attempts are used up', async () => {
  const { runtime, task, waits } = setup()
  const calls: number[] = []
  const declined = new Error('declined')
  const result = retry((attempt) => {
    calls.push(attempt)
    throw declined
  }, task)
  await expect(runtime.run(result)).resolves.toEqual({ kind: 'failed', thrown: declined, attempts: 4 })
  expect(calls).toEqual([1, 2, 3, 4])
  expect(waits).toEqual([100, 200, 400])
})

test.each([
  ['null', null],
  ['undefined', undefined],
  ['a string', 'out of stock'],
  ['a number', 7],
  ['a TypeError, which p-retry alone would not retry', new TypeError('x is not a function')],
  [
    'an object with throwing getters',
    Object.defineProperty({}, 'message', {
      get: () => {
        throw new Error('no')
      },
    }),
  ],
])('what was thrown comes back as it is, after all attempts: %s', async (_, thrown) => {
  const { runtime, task } = setup()
  let calls = 0
  const result = await runtime.run(
    retry(() => {
      calls++
      throw thrown
    }, task),
  )
  expect(calls).toBe(4)
  expect(result.kind === 'failed' && Object.is(result.thrown, thrown)).toBe(true)
})

test('an error with a cyclic cause is retried and comes back as the same object', async () => {
  const { runtime, task } = setup()
  const cyclic = new Error('round and round')
  cyclic.cause = cyclic
  const result = await runtime.run(retry(() => Promise.reject(cyclic), task))
  expect(result.kind === 'failed' && result.thrown === cyclic).toBe(true)
})

test('p-retry sets no timer of its own: all waiting is the clock’s, so that a simulator owns it', async () => {
  const realTimers = vi.spyOn(globalThis, 'setTimeout')
  try {
    const { runtime, task } = setup()
    await runtime.run(retry(() => Promise.reject(new Error('no')), task))
    expect(realTimers).not.toHaveBeenCalled()
  } finally {
    realTimers.mockRestore()
  }
})

test('a signal ends the wait at once', async () => {
  const { runtime, controller, task } = setup()
  const result = retry(() => Promise.reject(new Error('no')), task)
  await runtime.runUntil(() => runtime.clock.pending === 1)
  controller.abort(new Error('closing'))
  await expect(result).resolves.toEqual({ kind: 'stopped', attempts: 1 })
  expect(runtime.clock.pending).toBe(0)
})

test('a call under way when the signal aborts still counts: its success is a success', async () => {
  const { controller, task } = setup()
  const result = await retry(async () => {
    controller.abort(new Error('closing'))
    return 'done'
  }, task)
  expect(result).toEqual({ kind: 'succeeded', value: 'done', attempts: 1 })
})

test('waits that do not count go on past the last attempt, growing up to the longest', async () => {
  const { runtime, task, waits } = setup({ rule: () => ({ kind: 'wait' }), policy: { ...policy, maxAttempts: 1 } })
  let calls = 0
  const result = retry(async (attempt) => {
    if (++calls < 8) throw new Error('out')
    return attempt
  }, task)
  await expect(runtime.run(result)).resolves.toEqual({ kind: 'succeeded', value: 1, attempts: 1 })
  expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000])
})

test('a rule can choose the wait, and can give up before the last attempt', async () => {
  const { runtime, task, waits } = setup({
    rule: ({ attempt }) => (attempt < 3 ? { kind: 'retry', delayMs: attempt * 7 } : { kind: 'give-up' }),
  })
  const result = await runtime.run(retry(() => Promise.reject(new Error('no')), task))
  expect(result).toMatchObject({ kind: 'failed', attempts: 3 })
  expect(waits).toEqual([7, 14])
})

test('attempts made in a process that has gone count', async () => {
  const { runtime, task } = setup({ firstAttempt: 3 })
  const calls: number[] = []
  const result = await runtime.run(
    retry((attempt) => {
      calls.push(attempt)
      throw new Error('no')
    }, task),
  )
  expect(calls).toEqual([3, 4])
  expect(result).toMatchObject({ kind: 'failed', attempts: 4 })
})

test('the defaults are those that the documentation names', () => {
  expect(DEFAULT_RETRY_POLICY).toEqual({
    maxAttempts: 4,
    initialDelayMs: 200,
    factor: 2,
    maxDelayMs: 5_000,
    jitter: 0.2,
  })
})

test.each([
  [{ maxAttempts: 0 }],
  [{ maxAttempts: 1.5 }],
  [{ maxAttempts: Number.NaN }],
  [{ maxAttempts: '4' }],
  [{ initialDelayMs: -1 }],
  [{ initialDelayMs: Infinity }],
  [{ factor: 0.5 }],
  [{ jitter: 2 }],
  [{ initialDelayMs: 500, maxDelayMs: 400 }],
  [{ maxAttemps: 3 }],
])('options that do not fit are refused: %o', (options) => {
  expect(retrySchema.safeParse(options).success).toBe(false)
})

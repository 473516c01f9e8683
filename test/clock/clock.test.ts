import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MAX_TIMER_MS, systemClock } from '../../src/clock/index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a sleep that is aborted rejects with the signal’s reason and leaves no timer behind', async () => {
  const controller = new AbortController()
  const sleeping = systemClock.sleep(60_000, controller.signal)
  const reason = new Error('closing')
  controller.abort(reason)
  await expect(sleeping).rejects.toBe(reason)
  expect(vi.getTimerCount()).toBe(0)
})

test('a sleep under an aborted signal does not begin', async () => {
  await expect(systemClock.sleep(60_000, AbortSignal.abort(new Error('late')))).rejects.toThrow('late')
  expect(vi.getTimerCount()).toBe(0)
})

test('a sleep longer than Node’s timers take is waited in parts, instead of firing at once', async () => {
  let awake = false
  const sleeping = systemClock.sleep(MAX_TIMER_MS + 5_000).then(() => (awake = true))
  await vi.advanceTimersByTimeAsync(MAX_TIMER_MS)
  expect(awake).toBe(false)
  await vi.advanceTimersByTimeAsync(5_000)
  await sleeping
  expect(awake).toBe(true)
})

test('a cancelled timer does not call', async () => {
  const call = vi.fn()
  systemClock.after(10, call).cancel()
  const every = systemClock.every(10, call)
  await vi.advanceTimersByTimeAsync(25)
  every.cancel()
  await vi.advanceTimersByTimeAsync(100)
  expect(call).toHaveBeenCalledTimes(2)
})

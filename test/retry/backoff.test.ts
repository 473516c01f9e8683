import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffDelay } from '../../src/retry/index.ts'

const steady = { initialDelayMs: 200, factor: 2, maxDelayMs: 5_000, jitter: 0 }

test('each wait is the factor times the one before, until the longest', () => {
  expect([1, 2, 3, 4, 5, 6, 7].map((failures) => backoffDelay(steady, failures, 0.5))).toEqual([
    200, 400, 800, 1_600, 3_200, 5_000, 5_000,
  ])
})

test('fractions of the factor count: 1.5 is not 1', () => {
  const backoff = { ...steady, factor: 1.5 }
  expect([1, 2, 3, 4].map((failures) => backoffDelay(backoff, failures, 0.5))).toEqual([200, 300, 450, 675])
})

test('jitter moves a wait to both sides by its part, and never past the longest', () => {
  const backoff = { ...steady, jitter: 0.2 }
  expect(backoffDelay(backoff, 1, 0)).toBe(160)
  expect(backoffDelay(backoff, 1, 0.5)).toBe(200)
  expect(backoffDelay(backoff, 1, 0.75)).toBe(220)
  expect(backoffDelay(backoff, 9, 0.999)).toBe(5_000)
})

test('no initial wait means no wait at all, even where the factor overflows', () => {
  expect(backoffDelay({ ...steady, initialDelayMs: 0, factor: 100 }, 1_000_000, 0.9)).toBe(0)
})

const backoffs = fc
  .record({
    initialDelayMs: fc.nat({ max: 2 ** 31 - 1 }),
    factor: fc.double({ min: 1, max: 100, noNaN: true }),
    extra: fc.nat({ max: 100_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ initialDelayMs, extra, ...rest }) => ({
    ...rest,
    initialDelayMs,
    maxDelayMs: Math.min(initialDelayMs + extra, 2 ** 31 - 1),
  }))
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('law: a wait is whole milliseconds from 0 to the longest, also at the millionth failure', () => {
  fc.assert(
    fc.property(backoffs, fc.integer({ min: 1, max: 1_000_000 }), random, (backoff, failures, drawn) => {
      const delay = backoffDelay(backoff, failures, drawn)
      expect(Number.isSafeInteger(delay)).toBe(true)
      expect(delay).toBeGreaterThanOrEqual(0)
      expect(delay).toBeLessThanOrEqual(backoff.maxDelayMs)
    }),
  )
})

test('law: without chance, more failures never wait less', () => {
  fc.assert(
    fc.property(backoffs, fc.integer({ min: 1, max: 999_999 }), (backoff, failures) => {
      expect(backoffDelay(backoff, failures + 1, 0.5)).toBeGreaterThanOrEqual(backoffDelay(backoff, failures, 0.5))
    }),
  )
})

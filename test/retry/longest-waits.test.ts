import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RetryPolicy } from '../../src/retry/index.ts'
import { backoffDelay, DEFAULT_RETRY_POLICY, longestWaitsMs, retry } from '../../src/retry/index.ts'
import { virtualRuntime } from '../../src/testing/index.ts'

const GREATEST = 1 - 2 ** -53 // what chance may draw at most

const policies: fc.Arbitrary<RetryPolicy> = fc
  .record({
    maxAttempts: fc.integer({ min: 1, max: 40 }),
    initialDelayMs: fc.oneof(fc.nat({ max: 10_000 }), fc.double({ min: 0, max: 10, noNaN: true })),
    factor: fc.oneof(fc.constant(1), fc.double({ min: 1, max: 100, noNaN: true })),
    extra: fc.oneof(fc.nat({ max: 50_000 }), fc.double({ min: 0, max: 10, noNaN: true })),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ extra, ...policy }) => ({ ...policy, maxDelayMs: policy.initialDelayMs + extra }))

test('the waits of somebody who said nothing about retries', () => {
  expect(longestWaitsMs(DEFAULT_RETRY_POLICY)).toBe(240 + 480 + 960)
  expect(longestWaitsMs({ ...DEFAULT_RETRY_POLICY, maxAttempts: 1 })).toBe(0)
})

test('law: it is never shorter than what retry really waits where chance draws the most, and no more than a rounding longer', async () => {
  await fc.assert(
    fc.asyncProperty(policies, async (policy) => {
      const runtime = { ...virtualRuntime(), random: () => GREATEST }
      const startedAt = runtime.clock.monotonic()
      const failing = (): never => {
        throw new Error('no')
      }
      const { attempts } = await runtime.run(retry(failing, { policy, signal: new AbortController().signal, runtime }))
      expect(attempts).toBe(policy.maxAttempts)
      const waitedMs = runtime.clock.monotonic() - startedAt
      const longestMs = longestWaitsMs(policy)
      expect(longestMs).toBeGreaterThanOrEqual(waitedMs)
      expect(longestMs - waitedMs).toBeLessThanOrEqual(policy.maxAttempts)
    }),
  )
})

test('law: it is the sum of the greatest delays, although a million of them are not gone through', () => {
  fc.assert(
    fc.property(policies, fc.integer({ min: 1, max: 300 }), (some, maxAttempts) => {
      const policy = { ...some, maxAttempts }
      const each = Array.from({ length: maxAttempts - 1 }, (_, i) => backoffDelay(policy, i + 1, 1))
      expect(longestWaitsMs(policy)).toBe(each.reduce((sum, delayMs) => sum + delayMs, 0))
    }),
  )
  const most = { maxAttempts: 1_000_000, initialDelayMs: 1, factor: 2, maxDelayMs: 2 ** 31 - 1, jitter: 1 }
  expect(Number.isSafeInteger(longestWaitsMs(most))).toBe(true)
})

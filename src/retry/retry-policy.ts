import { z } from 'zod'
import { MAX_TIMER_MS } from '../clock/index.ts'
import type { RetryOptions } from './retry-options.ts'

/** {@link RetryOptions} with nothing left open. */
export type RetryPolicy = Required<RetryOptions>

const MAX_ATTEMPTS = 1_000_000
const MAX_FACTOR = 100

/**
 * Checks {@link RetryOptions} and fills in their defaults. Every problem is reported; unknown names are one, since a misspelt
 * `maxAttemps` would otherwise retry four times in silence.
 */
export const retrySchema: z.ZodType<RetryPolicy> = z
  .strictObject({
    maxAttempts: z.int().min(1).max(MAX_ATTEMPTS).default(4),
    initialDelayMs: z.number().min(0).max(MAX_TIMER_MS).default(200),
    factor: z.number().min(1).max(MAX_FACTOR).default(2),
    maxDelayMs: z.number().min(0).max(MAX_TIMER_MS).default(5_000),
    jitter: z.number().min(0).max(1).default(0.2),
  })
  .refine((policy) => policy.maxDelayMs >= policy.initialDelayMs, {
    path: ['maxDelayMs'],
    message: 'must be at least initialDelayMs',
    when: ({ value }) => hasDelays(value), // also when something else does not fit: every problem is told at once
  })

function hasDelays(policy: unknown): boolean {
  if (typeof policy !== 'object' || policy === null) return false
  const { initialDelayMs, maxDelayMs } = policy as Partial<RetryPolicy>
  return Number.isFinite(initialDelayMs) && Number.isFinite(maxDelayMs)
}

/** The policy of somebody who said nothing about retries. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = retrySchema.parse({})

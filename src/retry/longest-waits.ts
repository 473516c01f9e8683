import { backoffDelay } from './backoff.ts'
import type { RetryPolicy } from './retry-policy.ts'

/**
 * How long the waits between all attempts of a policy take together, in milliseconds, where chance makes each as long as it may be. Pure.
 *
 * Waits that a handler asks for itself (`retryAfter`, `pauseFor`) and those for a dependency that is out have no bound, and are not in it.
 */
export function longestWaitsMs(policy: RetryPolicy): number {
  const waits = policy.maxAttempts - 1
  let sum = 0
  for (let failures = 1; failures <= waits; failures++) {
    const delayMs = backoffDelay(policy, failures, 1) // chance never draws 1, and a wait grows with what it draws
    sum += delayMs
    const isLongest = policy.factor === 1 || policy.initialDelayMs === 0 || delayMs === Math.floor(policy.maxDelayMs)
    if (isLongest) return sum + (waits - failures) * delayMs // all that follow are the same: a million are not gone through
  }
  return sum
}

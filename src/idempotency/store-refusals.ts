import { MAX_TIMER_MS } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'

/** What dedupe stores say no with, in the codes of the port. */
export const storeRefusals = {
  unfitOptions: (store: string, problems: readonly Problem[]): HoldfastError =>
    new HoldfastError('HOLDFAST_CONFIG_INVALID', `${store}: options do not fit`, { problems }),
  leaseLost: (call: 'complete' | 'renew'): HoldfastError =>
    new HoldfastError(
      'HOLDFAST_LEASE_LOST',
      `dedupe ${call}: the lease ended, or the message was begun again by somebody else`,
    ),
  /** @param cause - what the client threw; its message may hold keys, so it is never ours */
  unavailable: (store: string, cause: unknown): HoldfastError =>
    new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', `${store} does not answer, or not as it should`, {
      retriable: true,
      cause,
    }),
} as const

/** @throws HOLDFAST_CONFIG_INVALID */
export function refuseUnfitLease(leaseMs: number): void {
  if (isCount(leaseMs) && leaseMs <= MAX_TIMER_MS) return
  const problem = { path: 'leaseMs', message: `an integer from 1 to ${MAX_TIMER_MS} is needed` }
  throw storeRefusals.unfitOptions('dedupe store', [problem])
}

/** What is wrong with options that are whole numbers from 1. */
export function countProblems(counts: Readonly<Record<string, number>>): Problem[] {
  return Object.entries(counts)
    .filter(([, value]) => !isCount(value))
    .map(([path]) => ({ path, message: 'an integer from 1 is needed' }))
}

/** A misspelt option would be taken for its default. */
export function unknownOptions(given: object, known: readonly string[]): Problem[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((path) => ({ path, message: 'is not an option' }))
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}

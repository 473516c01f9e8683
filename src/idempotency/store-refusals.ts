import { MAX_TIMER_MS } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError, storeUnavailable } from '../errors/index.ts'
import { isCount } from '../options/index.ts'

/** What dedupe stores say no with, in the codes of the port. */
export const storeRefusals = {
  unfitOptions: (store: string, problems: readonly Problem[]): HoldfastError =>
    new HoldfastError('HOLDFAST_CONFIG_INVALID', `${store}: options do not fit`, { problems }),
  leaseLost: (call: 'complete' | 'renew'): HoldfastError =>
    new HoldfastError(
      'HOLDFAST_LEASE_LOST',
      `dedupe ${call}: the lease ended, or the message was begun again by somebody else`,
    ),
  unavailable: (store: string, cause: unknown): HoldfastError => storeUnavailable(store, cause),
} as const

/** @throws HOLDFAST_CONFIG_INVALID */
export function refuseUnfitLease(leaseMs: number): void {
  if (isCount(leaseMs) && leaseMs <= MAX_TIMER_MS) return
  const problem = { path: 'leaseMs', message: `an integer from 1 to ${MAX_TIMER_MS} is needed` }
  throw storeRefusals.unfitOptions('dedupe store', [problem])
}

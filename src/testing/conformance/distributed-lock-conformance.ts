import type { DistributedLockWorld } from './distributed-lock/index.ts'
import { distributedLockCases } from './distributed-lock/index.ts'
import type { SuiteOptions } from './register-cases.ts'
import { registerCases } from './register-cases.ts'

/** What a lock hands to the suite. */
export interface DistributedLockConformanceOptions extends SuiteOptions<DistributedLockWorld> {
  /**
   * The lease that the tests take, in milliseconds: 400 or more. Tests wait for up to five times as long.
   *
   * @defaultValue `1_000`
   */
  readonly leaseMs?: number
}

/** Registers the tests that a {@link DistributedLock} must pass, each a promise of the port. */
export function distributedLockConformance(options: DistributedLockConformanceOptions): void {
  const { leaseMs = 1_000 } = options
  registerCases(options, distributedLockCases, ({ hold }, world) => hold(world, leaseMs))
}

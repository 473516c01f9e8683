import type { DedupeStoreWorld } from './dedupe-store/index.ts'
import { dedupeStoreCases } from './dedupe-store/index.ts'
import type { SuiteOptions } from './register-cases.ts'
import { registerCases } from './register-cases.ts'

/** What a store hands to the suite. */
export interface DedupeStoreConformanceOptions extends SuiteOptions<DedupeStoreWorld> {
  /** How long the store of {@link DedupeStoreConformanceOptions.create} remembers what is done, in milliseconds: 20 leases or more. */
  readonly ttlMs: number
  /**
   * The lease that the tests take, in milliseconds. Tests wait for up to twice as long.
   *
   * @defaultValue `1_000`
   */
  readonly leaseMs?: number
}

/** Registers the tests that a {@link DedupeStore} must pass, each a promise of the port. */
export function dedupeStoreConformance(options: DedupeStoreConformanceOptions): void {
  const { leaseMs = 1_000, ttlMs } = options
  registerCases(options, dedupeStoreCases, ({ hold }, world) => hold(world, leaseMs, ttlMs))
}

import type { OutboxStoreWorld } from './outbox-store/index.ts'
import { outboxStoreCases } from './outbox-store/index.ts'
import type { SuiteOptions } from './register-cases.ts'
import { registerCases } from './register-cases.ts'

/** What a store hands to the suite. */
export interface OutboxStoreConformanceOptions extends SuiteOptions<OutboxStoreWorld> {
  /**
   * The lease that the tests take where they wait for its end, in milliseconds. Tests wait for up to twice as long.
   *
   * @defaultValue `1_000`
   */
  readonly leaseMs?: number
}

/** Registers the tests that an {@link OutboxStore} must pass, each a promise of the port. */
export function outboxStoreConformance(options: OutboxStoreConformanceOptions): void {
  const { leaseMs = 1_000 } = options
  registerCases(options, outboxStoreCases, ({ hold }, world) => hold(world, leaseMs))
}

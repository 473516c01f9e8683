import type { DedupeStoreWorld } from './dedupe-store/index.ts'
import { dedupeStoreCases } from './dedupe-store/index.ts'
import type { TestRunner } from './harness.ts'

/** What a store hands to the suite. */
export interface DedupeStoreConformanceOptions extends TestRunner {
  /** Heads the tests. */
  readonly name: string
  create(): Promise<DedupeStoreWorld>
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
  options.describe(options.name, () => {
    for (const { promise, hold } of dedupeStoreCases) {
      options.test(promise, async () => {
        const world = await options.create()
        try {
          await hold(world, leaseMs, ttlMs)
        } finally {
          await world.close()
        }
      })
    }
  })
}

import type { TestRunner } from './harness.ts'
import type { OutboxStoreWorld } from './outbox-store/index.ts'
import { outboxStoreCases } from './outbox-store/index.ts'

/** What a store hands to the suite. */
export interface OutboxStoreConformanceOptions extends TestRunner {
  /** Heads the tests. */
  readonly name: string
  create(): Promise<OutboxStoreWorld>
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
  options.describe(options.name, () => {
    for (const { promise, hold } of outboxStoreCases) {
      options.test(promise, async () => {
        const world = await options.create()
        try {
          await hold(world, leaseMs)
        } finally {
          await world.close()
        }
      })
    }
  })
}

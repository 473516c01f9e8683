import type { DistributedLockWorld } from './distributed-lock/index.ts'
import { distributedLockCases } from './distributed-lock/index.ts'
import type { TestRunner } from './harness.ts'

/** What a lock hands to the suite. */
export interface DistributedLockConformanceOptions extends TestRunner {
  /** Heads the tests. */
  readonly name: string
  create(): Promise<DistributedLockWorld>
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
  options.describe(options.name, () => {
    for (const { promise, hold } of distributedLockCases) {
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

import type { TestRunner } from './harness.ts'
import type { InboxWorld } from './inbox/index.ts'
import { inboxCases } from './inbox/index.ts'

/** What an inbox hands to the suite. */
export interface InboxConformanceOptions extends TestRunner {
  /** Heads the tests. */
  readonly name: string
  create(): Promise<InboxWorld>
}

/** Registers the tests that an {@link Inbox} must pass, each a promise of the port. */
export function inboxConformance(options: InboxConformanceOptions): void {
  options.describe(options.name, () => {
    for (const { promise, hold } of inboxCases) {
      options.test(promise, async () => {
        const world = await options.create()
        try {
          await hold(world)
        } finally {
          await world.inbox.close()
          await world.close()
        }
      })
    }
  })
}

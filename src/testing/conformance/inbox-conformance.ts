import type { InboxWorld } from './inbox/index.ts'
import { inboxCases } from './inbox/index.ts'
import type { SuiteOptions } from './register-cases.ts'
import { registerCases } from './register-cases.ts'

/** What an inbox hands to the suite. */
export interface InboxConformanceOptions extends SuiteOptions<InboxWorld> {}

/** Registers the tests that an {@link Inbox} must pass, each a promise of the port. */
export function inboxConformance(options: InboxConformanceOptions): void {
  registerCases(options, inboxCases, async ({ hold }, world) => {
    try {
      await hold(world)
    } finally {
      await world.inbox.close()
    }
  })
}

import { batching } from './batching.ts'
import { handling } from './handling.ts'
import type { InboxCase } from './inbox-case.ts'
import { marking } from './marking.ts'

export type { InboxWorld } from './inbox-case.ts'

/** All that an inbox promises. */
export const inboxCases: readonly InboxCase[] = [...handling, ...batching, ...marking]

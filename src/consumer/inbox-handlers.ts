import type { Inbox } from '../idempotency/index.ts'
import type { Subscription } from './subscription.ts'

/** Of each inbox, how many messages may be in its handlers at a time: those of all topics that share it. */
export function handlersOfInboxes(
  subscriptions: readonly Pick<Subscription, 'inbox' | 'bound'>[],
  concurrency: number,
): ReadonlyMap<Inbox<unknown>, number> {
  const inboxes = new Map<Inbox<unknown>, number>()
  for (const { inbox, bound } of subscriptions) {
    if (inbox === null) continue
    const handlers = (inboxes.get(inbox) ?? 0) + (bound?.limit ?? concurrency)
    inboxes.set(inbox, Math.min(handlers, concurrency))
  }
  return inboxes
}

import type { Failpoint, Runtime } from '../clock/index.ts'
import type { Parking } from '../dlq/index.ts'
import type { Events } from '../events/index.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { Logger } from '../logger/index.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Epoch } from './epoch.ts'
import type { HandlerTimeouts } from './handler-timeouts.ts'
import type { InboxOfHandler } from './inbox-call.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { OffsetClaims } from './offset-claims.ts'
import type { Subscription } from './subscription.ts'

/** All that a record of one epoch needs on its way from bytes to an outcome. */
export interface Pipeline {
  readonly groupId: string
  readonly epoch: Epoch
  readonly subscription: Subscription
  readonly dispatcher: Dispatcher
  readonly timeouts: HandlerTimeouts
  /** Null when no subscription parks anything. */
  readonly parking: Parking | null
  /** Null without a dedupe store. */
  readonly leases: LeaseKeeper | null
  /** Null without an inbox. */
  readonly inbox: InboxOfHandler | null
  /** Moves the offset of a record before it is handled: delivery at most once. */
  readonly claim: OffsetClaims['claim']
  readonly events: Events<ConsumerEvents>
  readonly logger: Logger
  readonly runtime: Runtime
  /** The runtime's; null where it does nothing, as in production. */
  readonly failpoint: Failpoint | null
  /**
   * Has the group not confirmed the membership for longer than the session timeout? A process that was suspended, or cut off, wakes up
   * believing that it owns what others own by now.
   */
  isSuspect(now?: number): boolean
  /** Resolves when the group has confirmed the membership again, or the epoch has stopped. */
  confirmMembership(): Promise<void>
  /** Resolves when somebody calls `resume` for the topic, or the epoch stops. */
  untilResumed(): Promise<void>
  /** Ends the consumer: a rule said stop. */
  failConsumer(thrown: unknown): void
  /** Warns about something once in the consumer's life, however many records have it. */
  warnOnce(message: string): void
}

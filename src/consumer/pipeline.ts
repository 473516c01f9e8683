import type { Runtime } from '../clock/index.ts'
import type { Parking } from '../dlq/index.ts'
import type { Logger } from '../logger/index.ts'
import type { InboundRecord } from '../record/index.ts'
import type { ProcessObservation } from '../telemetry/index.ts'
import type { Epoch } from './epoch.ts'
import type { Events } from './events.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { Slots } from './slots.ts'
import type { Subscription } from './subscription.ts'

/** All that a record of one epoch needs on its way from bytes to an outcome. */
export interface Pipeline {
  readonly groupId: string
  readonly epoch: Epoch
  readonly subscription: Subscription
  readonly slots: Slots
  /** Null when no subscription parks anything. */
  readonly parking: Parking | null
  /** Null without a dedupe store. */
  readonly leases: LeaseKeeper | null
  readonly events: Events
  readonly logger: Logger
  readonly runtime: Runtime
  /**
   * Has the group not confirmed the membership for longer than the session timeout? A process that was suspended, or cut off, wakes up
   * believing that it owns what others own by now.
   */
  isSuspect(): boolean
  /** Resolves when the group has confirmed the membership again, or the epoch has stopped. */
  confirmMembership(): Promise<void>
  /** A call begins that may never end, of a handler or a store: health counts from the last one. */
  began(): void
  /** Resolves when somebody calls `resume` for the topic, or the epoch stops. */
  untilResumed(): Promise<void>
  /** Ends the consumer: a rule said stop. */
  failConsumer(thrown: unknown): void
  /** Warns about something once in the consumer's life, however many records have it. */
  warnOnce(message: string): void
}

/** One dispatch of one record. */
export interface Delivery {
  readonly record: InboundRecord
  /** The id its producer gave it, else its place. */
  readonly messageId: string
  /** Was it dispatched before, in this epoch? */
  readonly again: boolean
  readonly observation: ProcessObservation
}

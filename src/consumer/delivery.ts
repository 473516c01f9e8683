import type { InboundRecord } from '../record/index.ts'
import { formatPosition } from '../record/index.ts'
import type { ProcessDescription, ProcessObservation } from '../telemetry/index.ts'
import { nothingProcessed } from '../telemetry/index.ts'
import type { Link } from './chain.ts'
import type { Wait } from './epoch.ts'
import type { Laned, Tail } from './lanes.ts'
import type { BatchGathering } from './batch-gathering.ts'
import type { Lease } from './lease-keeper.ts'
import { ownIdOf } from './message-id.ts'
import { recordBytes } from './record-bytes.ts'

/**
 * One record on its way from bytes to its outcome, within one epoch. A class, since there are hundreds of thousands a second, and what few
 * of them need is made when it is asked for.
 */
export class Delivery implements Laned<Delivery>, Link<Delivery>, ProcessDescription {
  /** As it came; a copy of the same once it has to wait, so that it keeps no more bytes in memory than its own. */
  record: InboundRecord
  readonly groupId: string
  /** Its ticket at the epoch's offset tracker. */
  readonly ticket: number
  readonly lane: string | null
  readonly arrival: number
  /** Since when it is here, on the monotonic clock. */
  readonly takenAt: number
  /** What it holds in memory. */
  readonly bytes: number
  next: Delivery | null = null
  tail: Tail<Delivery> | null = null
  earlier: Delivery | null = null
  later: Delivery | null = null
  chained = false
  /** Is the record on bytes of its own by now? */
  detached = false
  /** At most once: has its offset moved? Its handler is called no more than once from then on. */
  claimed = false
  /** Was it dispatched before, in this epoch? */
  again = false
  observation: ProcessObservation = nothingProcessed
  /** What it waits for; null when it does not. */
  wait: Wait | null = null
  /** When it last began something (to be read, a call of its store or its handler), on the monotonic clock. */
  since: number
  /** Does it hold one of the consumer's places? Not while it waits. */
  hasPlace = false
  /** Held while the message is worked on; null without a dedupe store. */
  lease: Lease | null = null
  /** Proves that a mark in an inbox is this delivery's; null before there can be one. */
  token: string | null = null
  /** A call of the handler that has timed out; null when there is none. */
  late: LateCall | null = null
  /** Gathers the messages of a batch; null where they are handled one at a time. */
  batch: BatchGathering | null = null
  /** Resolves when it is under way no more; null before it is. */
  running: Promise<void> | null = null
  #ownId: string | null | undefined = undefined

  constructor(taken: Pick<Delivery, 'record' | 'groupId' | 'ticket' | 'lane' | 'arrival' | 'takenAt'>) {
    this.record = taken.record
    this.groupId = taken.groupId
    this.ticket = taken.ticket
    this.lane = taken.lane
    this.arrival = taken.arrival
    this.takenAt = this.since = taken.takenAt
    this.bytes = recordBytes(taken.record)
  }

  /** The id its producer gave it, else its place. */
  get messageId(): string {
    return this.ownId ?? formatPosition(this.record)
  }

  /** The id its producer gave it; null when it gave none that can be used. */
  get ownId(): string | null {
    if (this.#ownId === undefined) this.#ownId = ownIdOf(this.record)
    return this.#ownId
  }
}

/** A call of a handler that has timed out, and goes on. */
export interface LateCall {
  readonly hasEnded: boolean
  readonly ended: Promise<LateEnd>
}

/** How such a call has ended. `unacknowledged`: it has resolved, and its `ack` was asked for and never called. */
export type LateEnd =
  { readonly kind: 'resolved'; readonly returned: unknown } | { readonly kind: 'rejected' | 'unacknowledged' }

import type { InboundRecord } from '../record/index.ts'
import type { ProcessObservation } from '../telemetry/index.ts'
import { nothingProcessed } from '../telemetry/index.ts'
import type { Wait } from './epoch.ts'
import type { Laned } from './lanes.ts'
import type { BatchGathering } from './batch-gathering.ts'
import type { Lease } from './lease-keeper.ts'
import { messageIdOf } from './message-id.ts'
import { recordBytes } from './record-bytes.ts'

/** One record on its way from bytes to its outcome, within one epoch. */
export interface Delivery extends Laned<Delivery> {
  /** As it came; a copy of the same once it has to wait, so that it keeps no more bytes in memory than its own. */
  record: InboundRecord
  /** The id its producer gave it, else its place. */
  readonly messageId: string
  /** Its ticket at the epoch's offset tracker. */
  readonly ticket: number
  /** Since when it is here, on the monotonic clock. */
  readonly takenAt: number
  /** What it holds in memory. */
  readonly bytes: number
  next: Delivery | null
  /** Has it its outcome? */
  done: boolean
  /** Was it dispatched before, in this epoch? */
  again: boolean
  observation: ProcessObservation
  /** What it waits for; null when it does not. */
  wait: Wait | null
  /** When it last began something (to be read, a call of its store or its handler), on the monotonic clock. */
  since: number
  /** Does it hold one of the consumer's places? Not while it waits. */
  hasPlace: boolean
  /** Held while the message is worked on; null without a dedupe store. */
  lease: Lease | null
  /** A call of the handler that has timed out; null when there is none. */
  late: LateCall | null
  /** Gathers the messages of a batch; null where they are handled one at a time. */
  batch: BatchGathering | null
  /** Resolves when it is under way no more; null before it is. */
  running: Promise<void> | null
}

/** A call of a handler that has timed out, and goes on. */
export interface LateCall {
  readonly hasEnded: boolean
  readonly ended: Promise<LateEnd>
}

/** How such a call has ended. */
export type LateEnd = { readonly kind: 'resolved'; readonly returned: unknown } | { readonly kind: 'rejected' }

/** Makes a {@link Delivery} of a record that was just taken over. */
export function createDelivery(taken: Pick<Delivery, 'record' | 'ticket' | 'lane' | 'arrival' | 'takenAt'>): Delivery {
  const { record, ticket, lane, arrival, takenAt } = taken
  return {
    record,
    messageId: messageIdOf(record),
    ticket,
    lane,
    arrival,
    takenAt,
    bytes: recordBytes(record),
    next: null,
    done: false,
    again: false,
    observation: nothingProcessed,
    wait: null,
    since: takenAt,
    hasPlace: false,
    lease: null,
    late: null,
    batch: null,
    running: null,
  }
}

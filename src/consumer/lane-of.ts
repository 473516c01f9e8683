import type { InboundRecord } from '../record/index.ts'
import { latin1Of } from '../record/index.ts'
import type { Ordering } from './subscription-options.ts'
import type { Delivery } from './delivery.ts'

/**
 * Which lane of its partition a record belongs to; null when it shares with nothing. Keys are compared by their bytes; all records without
 * one share a lane, apart from that of the empty key.
 *
 * @param anyClosed - without an order a record still waits for itself: one that an earlier epoch has in a handler must not run twice
 */
export function laneOf({ key, offset }: InboundRecord, ordering: Ordering, anyClosed: boolean): string | null {
  if (ordering === 'partition') return WHOLE_PARTITION
  if (ordering === 'none') return anyClosed ? laneOfOffset(offset) : null
  return key === null ? NO_KEY : latin1Of(key)
}

/** The lane that a record keeps from later epochs while it is under way. */
export function openLaneOf({ lane, record }: Delivery): string {
  return lane ?? laneOfOffset(record.offset)
}

// None of these is a string of single bytes, as every key is.
const NO_KEY = '\u0100'
const WHOLE_PARTITION = '\u0101'
const laneOfOffset = (offset: bigint): string => `\u0102${offset}`

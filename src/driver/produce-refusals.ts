import type { ErrorCode } from '../errors/index.ts'

/** A record of the batch is refused for good, or the whole batch for its sake: in halves the others go through. */
export const REFUSES_A_RECORD: ReadonlySet<ErrorCode> = new Set([
  'HOLDFAST_RECORD_TOO_LARGE',
  'HOLDFAST_REFUSED',
  'HOLDFAST_MESSAGE_INVALID',
])

/** The place is not there, as far as the broker knows that was asked: a fresh look may find it. */
export const KNOWS_NO_SUCH_PLACE: ReadonlySet<ErrorCode> = new Set([
  'HOLDFAST_TOPIC_UNKNOWN',
  'HOLDFAST_PARTITION_UNKNOWN',
])

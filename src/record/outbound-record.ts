import type { Headers } from './headers.ts'
import type { TopicPartition } from './position.ts'

/** A record on its way to the log: bytes, its partition chosen. */
export interface OutboundRecord extends TopicPartition {
  readonly key: Uint8Array | null
  /** `null` is a tombstone; an empty value is not. */
  readonly value: Uint8Array | null
  readonly headers: Headers
  /** Milliseconds since the epoch, 0 or more. */
  readonly timestamp: bigint
}

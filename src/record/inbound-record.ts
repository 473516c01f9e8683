import type { Headers } from './headers.ts'
import type { Position } from './position.ts'

/** A record as it stands on the log: bytes, not yet decoded. */
export interface InboundRecord extends Position {
  readonly key: Uint8Array | null
  /** `null` is a tombstone; an empty value is not. */
  readonly value: Uint8Array | null
  readonly headers: Headers
  /** Milliseconds since the epoch. */
  readonly timestamp: bigint
  /** What key, value and headers take on the log, in bytes, where the driver knows it without looking; else it is counted. */
  readonly byteLength?: number
}

import { createHash } from 'node:crypto'
import { BUCKETS } from './relay-store.ts'

/** Where a key stands: in which bucket its rows lie, and by which number its lock is known. */
export interface KeyPlace {
  /** 0 to {@link BUCKETS} − 1. */
  readonly bucket: number
  /** A signed 32-bit integer. Two keys with one number only wait for each other. */
  readonly lock: number
}

/** The place of a key of a topic: from SHA-256, so the same in every version and process. Rows in a table rely on it: it never changes. */
export function keyPlace(topic: string, key: Uint8Array): KeyPlace {
  const digest = createHash('sha256').update(topic).update('\0').update(key).digest() // a topic's name has no zero byte
  return { bucket: digest.readUInt8(4) % BUCKETS, lock: digest.readInt32BE(0) }
}

import { randomFillSync } from 'node:crypto'
import type { Clock } from './clock.ts'

/** Makes ids: one call, one new id. */
export type Ids = () => string

/** Random bytes, written into the given array. */
export type FillRandom = (bytes: Uint8Array) => void

/**
 * UUID version 7 (RFC 9562): 48 bits of milliseconds, then a 12-bit counter (section 6.2, method 1) so that ids made in one
 * process sort in the order they were made, then 62 random bits.
 */
export function uuidv7(clock: Pick<Clock, 'now'>, fill: FillRandom = (bytes) => void randomFillSync(bytes)): Ids {
  const pool = new Uint8Array(POOL_BYTES)
  let poolAt = POOL_BYTES
  let lastMs = 0
  let counter = 0
  return () => {
    if (poolAt + RANDOM_BYTES > POOL_BYTES) {
      fill(pool)
      poolAt = 0
    }
    const nowMs = Math.floor(clock.now())
    if (nowMs > lastMs) {
      lastMs = nowMs
      counter = ((pool[poolAt]! << 8) | pool[poolAt + 1]!) & 0x7ff // starts in the lower half: room to count up within the millisecond
    } else if (++counter > 0xfff) {
      lastMs++ // the counter is spent, or the wall clock went back: borrow from the next millisecond, order stays
      counter = 0
    }
    const random = Buffer.from(pool.buffer, poolAt + 2, 8).toString('hex')
    poolAt += RANDOM_BYTES
    const time = lastMs.toString(16).padStart(12, '0')
    const variant = VARIANTS[parseInt(random[0]!, 16) & 3]!
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${variant}${random.slice(1, 4)}-${random.slice(4)}`
  }
}

const RANDOM_BYTES = 10
const POOL_BYTES = RANDOM_BYTES * 256 // one system call for 256 ids
const VARIANTS = '89ab'

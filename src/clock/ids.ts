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
  const pool = Buffer.alloc(POOL_BYTES)
  let poolAt = POOL_BYTES
  let lastMs = 0
  let time = timeText(0)
  let counter = 0
  return () => {
    if (poolAt + RANDOM_BYTES > POOL_BYTES) {
      fill(pool)
      poolAt = 0
    }
    const nowMs = Math.floor(clock.now())
    if (nowMs > lastMs) {
      lastMs = nowMs
      time = timeText(lastMs)
      counter = ((pool[poolAt]! << 8) | pool[poolAt + 1]!) & 0x7ff // starts in the lower half: room to count up within the millisecond
    } else if (++counter > 0xfff) {
      time = timeText(++lastMs) // the counter is spent, or the wall clock went back: borrow from the next millisecond, order stays
      counter = 0
    }
    pool[poolAt + 2] = (pool[poolAt + 2]! & 0x3f) | 0x80 // the variant
    const random = pool.toString('hex', poolAt + 2, poolAt + RANDOM_BYTES)
    poolAt += RANDOM_BYTES
    return `${time}-${(0x7000 | counter).toString(16)}-${random.slice(0, 4)}-${random.slice(4)}`
  }
}

function timeText(ms: number): string {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}

const RANDOM_BYTES = 10
const POOL_BYTES = RANDOM_BYTES * 256 // one system call for 256 ids

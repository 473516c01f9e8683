/**
 * Murmur2 as Java's client computes it (`org.apache.kafka.common.utils.Utils.murmur2`), so that every client puts a key on the same
 * partition. Proven with vectors that Java's own client made: `test/broker/producer/murmur2.test.ts`.
 *
 * @returns a signed 32-bit integer
 */
export function murmur2(data: Uint8Array): number {
  const { length } = data
  let h = SEED ^ length
  let i = 0
  for (; i + 4 <= length; i += 4) {
    let k = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24)
    k = Math.imul(k, M)
    k ^= k >>> 24
    h = Math.imul(h, M) ^ Math.imul(k, M)
  }
  const left = length - i
  if (left === 3) h ^= data[i + 2]! << 16
  if (left >= 2) h ^= data[i + 1]! << 8
  if (left >= 1) h = Math.imul(h ^ data[i]!, M)
  h = Math.imul(h ^ (h >>> 13), M)
  return h ^ (h >>> 15)
}

const SEED = 0x9747b28c | 0
const M = 0x5bd1e995

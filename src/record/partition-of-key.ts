import { murmur2 } from './murmur2.ts'

/** Where Java's client puts a key: `toPositive(murmur2(key)) % partitionCount`. */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitionCount
}

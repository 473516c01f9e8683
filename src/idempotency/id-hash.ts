import { createHash } from 'node:crypto'

/**
 * SHA-256 of an id, in 32 bytes: so an id of any length and any characters has a place in any store, and two ids never share one.
 *
 * @param id - as `dedupeId` makes it: without lone surrogates, which UTF-8 would fold together.
 */
export function idHash(id: string): Buffer {
  return createHash('sha256').update(id).digest()
}

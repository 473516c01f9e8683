import { createHash } from 'node:crypto'

/** A name in the space of all advisory locks of a database, as a bigint in text: apart from other names as far as 64 bits go. */
export function advisoryKey(name: string): string {
  return String(createHash('sha256').update(name).digest().readBigInt64BE())
}

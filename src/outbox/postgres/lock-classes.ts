import { createHash } from 'node:crypto'
import type { OutboxNames } from './outbox-table.ts'

/** The first numbers of an outbox's advisory locks. The second is the key's number, or the bucket. */
export interface LockClasses {
  readonly keys: number
  readonly buckets: number
}

/**
 * The lock classes of an outbox: two for each table, apart from other tables, and from other locks of the database, as far as 32 bits go. Two that
 * meet only wait for each other. Old and new versions of a service write side by side, so they never change.
 */
export function lockClasses({ outbox }: Pick<OutboxNames, 'outbox'>): LockClasses {
  const digest = createHash('sha256').update(`holdfast outbox ${outbox}`).digest()
  return { keys: digest.readInt32BE(0), buckets: digest.readInt32BE(4) }
}

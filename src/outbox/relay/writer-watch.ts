import type { Writers } from '../relay-store.ts'

/**
 * Knows where rows may have appeared below the place where scans begin: a transaction draws its rows' ids before it commits, and until then nobody sees
 * them.
 *
 * Who writes holds a lock on the outbox's table from before it draws an id until it has ended. So a writer that is not there at one look, and is at
 * the next, has drawn no id up to what was the last one at the first; and when it is there no longer, whatever it has committed can be seen.
 *
 * A server that crashes may draw ids again that were drawn and not yet on its disk: so the last one that is there for certain counts.
 */
export interface WriterWatch {
  /**
   * Takes in a look.
   *
   * @returns the row id above which rows may have appeared since the look before, other than those above its last row id; null when none can have.
   */
  looked(writers: Writers): bigint | null
}

/** Makes a {@link WriterWatch}. */
export function createWriterWatch(): WriterWatch {
  /** Each writer that was there at the last look, with a row id that all of its own are above. */
  let known = new Map<string, bigint>()
  /** All that came since the last look are above it. */
  let newcomersAbove = 0n

  return {
    looked(now) {
      // One that was prepared for a two-phase commit had another name before, and is as old as that.
      const ofUnknownAge = new Set(now.prepared ?? [])
      const writers = new Map(
        now.writers.map((name) => [name, known.get(name) ?? (ofUnknownAge.has(name) ? 0n : newcomersAbove)]),
      )
      let from: bigint | null = null
      for (const [name, above] of known) if (!writers.has(name) && (from === null || above < from)) from = above
      known = writers
      newcomersAbove = now.durableRowId ?? now.lastRowId
      return from
    },
  }
}

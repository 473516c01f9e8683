import type { RowInHand } from './held-bucket.ts'

/**
 * What cannot be sent for now must not fill the hand: else a partition without a leader, or a topic that is missing, would hold up all others. Beyond a
 * bound its rows are let go, and read again when it goes on. Until then every row that comes for it is let go too, or it would overtake them.
 */
export interface Overflow {
  /** Are rows let go? */
  readonly isOpen: boolean
  /** Lets a row go. */
  add(row: RowInHand): void
  /** Ends it. @returns the row id above which rows are to be read again. Only where the read follows before any other one. */
  end(): bigint
}

/** Makes an {@link Overflow}. */
export function createOverflow(): Overflow {
  let lowest: bigint | null = null
  return {
    get isOpen() {
      return lowest !== null
    },
    add(row) {
      const { rowId } = row.row
      if (lowest === null || rowId < lowest) lowest = rowId
      row.held.leave(row)
    },
    end() {
      const above = (lowest ?? 0n) - 1n
      lowest = null
      return above
    },
  }
}

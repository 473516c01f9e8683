/** Where reading a partition stands within one assignment. */
export interface ReadingPosition {
  /** The offset that the next delivery must have been asked for; null until a start position is known. */
  next: bigint | null
}

/** What to do with something kafkajs read: `take` it, or `rewind` kafkajs to where reading stands. */
export type Verdict = 'take' | 'rewind'

/**
 * Judges a batch by the offset it was asked for, and moves on past it. After a rejoin inside one fetcher the long poll of
 * another broker can answer into the new assignment (`experiments/late-batch2.mjs`): taking such a batch would skip every
 * record between the start position and it.
 *
 * @param fetchedOffset - what the fetch asked for
 * @param lastOffset - the last offset the batch covers, those without a record of it included
 */
export function judgeBatch(position: ReadingPosition, fetchedOffset: bigint, lastOffset: bigint): Verdict {
  if (position.next !== fetchedOffset) return 'rewind'
  moveTo(position, lastOffset + 1n)
  return 'take'
}

/** Reading goes on here, whatever was before. */
export function moveTo(position: ReadingPosition, offset: bigint): void {
  position.next = offset
}

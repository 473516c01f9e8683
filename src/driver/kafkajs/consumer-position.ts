/** Where reading a partition stands within one assignment. */
export interface ReadingPosition {
  /** The offset that the next delivery must have been asked for; null until a start position is known. */
  next: bigint | null
  /** Where a filtered batch began that could not be told from a stray answer and was sent back: the same again is true. */
  doubted: bigint | null
}

/** What to do with something kafkajs read: `take` it, or `rewind` kafkajs to where reading stands. */
export type Verdict = 'take' | 'rewind'

/**
 * Judges a batch by the offset it was asked for, and moves on past it. After a rejoin inside one fetcher the long poll of
 * another broker can answer into the new assignment (`experiments/late-batch2.mjs`): taking such a batch would skip every
 * record between the start position and it.
 *
 * @param fetchedOffset - what the fetch asked for
 * @param lastOffset - the last offset the batch covers, records that a filter removed included
 */
export function judgeBatch(position: ReadingPosition, fetchedOffset: bigint, lastOffset: bigint): Verdict {
  if (position.next !== fetchedOffset) return 'rewind'
  moveTo(position, lastOffset + 1n)
  return 'take'
}

/**
 * Judges a batch of which a filter left nothing (transaction markers, aborted records, compaction). kafkajs tells of it by an
 * event without the offset that was asked for, so a batch that begins above the position is either a hole in the log or a
 * stray answer of an older assignment. Such a batch is sent back: kafkajs then asks for the position itself, and what begins
 * at the same offset a second time is true. Several brokers can each have a stray answer under way; a hole does not move.
 *
 * @param firstOffset - null when every record lay below what was asked for; then `lastOffset` is what was asked for
 */
export function judgeFiltered(position: ReadingPosition, firstOffset: bigint | null, lastOffset: bigint): Verdict {
  const { next } = position
  if (next === null || lastOffset < next) return 'rewind'
  const beginsAt = firstOffset ?? lastOffset
  if (beginsAt < next) return 'rewind'
  if (beginsAt > next && position.doubted !== beginsAt) {
    position.doubted = beginsAt
    return 'rewind'
  }
  moveTo(position, lastOffset + 1n)
  return 'take'
}

/** Reading goes on here, whatever was before. */
export function moveTo(position: ReadingPosition, offset: bigint): void {
  position.next = offset
  position.doubted = null
}

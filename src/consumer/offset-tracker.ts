/**
 * Which records of one partition have their outcome, and so up to where its offset may move. Pure; offsets are sparse, so nothing
 * is ever reckoned from one offset to the next.
 */
export interface OffsetTracker {
  /**
   * The offset below which every record has its outcome: what may be committed. The lowest record without one; when there is
   * none, the end of what was covered. Never goes back.
   */
  readonly watermark: bigint
  /** The offset after the last one that was taken or covered: what comes next. */
  readonly next: bigint
  /** Records taken that have no outcome yet. */
  readonly unfinished: number
  /** Takes a record over, in offset order. False, and nothing is taken, when it was taken or covered before. */
  take(offset: bigint): boolean
  /** Everything below this offset was taken, or never comes: filtered records, transaction markers. */
  cover(nextOffset: bigint): void
  /** A record has its outcome. In any order; twice does nothing. */
  finish(offset: bigint): void
}

/** Makes an {@link OffsetTracker} that begins at `start`. */
export function createOffsetTracker(start: bigint): OffsetTracker {
  const offsets: bigint[] = [] // ascending, from `head` on those at or above the watermark
  const done: boolean[] = []
  let head = 0
  let next = start
  let unfinished = 0

  const find = (offset: bigint): number => {
    if (offsets[head] === offset) return head
    let low = head
    let high = offsets.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const candidate = offsets[middle]!
      if (candidate === offset) return middle
      if (candidate < offset) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  return {
    get watermark() {
      return head < offsets.length ? offsets[head]! : next
    },
    get next() {
      return next
    },
    get unfinished() {
      return unfinished
    },
    take(offset) {
      if (offset < next) return false
      offsets.push(offset)
      done.push(false)
      unfinished++
      next = offset + 1n
      return true
    },
    cover(nextOffset) {
      if (nextOffset > next) next = nextOffset
    },
    finish(offset) {
      const at = find(offset)
      if (at === -1 || done[at]!) return
      done[at] = true
      unfinished--
      while (head < offsets.length && done[head]!) head++
      if (head === offsets.length) {
        offsets.length = done.length = head = 0
      } else if (head >= COMPACT_FROM && head * 2 > offsets.length) {
        offsets.splice(0, head)
        done.splice(0, head)
        head = 0
      }
    },
  }
}

/** Below this the front of the list is not worth moving. */
const COMPACT_FROM = 1_024

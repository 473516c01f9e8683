import type { Mutable } from './mutable.ts'

/** Both inclusive: every record from first to last has its outcome. */
export interface FinishedRange {
  readonly first: bigint
  readonly last: bigint
}

/**
 * Which records of one partition have their outcome, and so up to where its offset may move and what is finished above it. Pure;
 * offsets are sparse, so nothing is ever reckoned from one offset to the next. It holds what is unfinished and the runs of finished
 * records between, so that a record which waits for hours makes it no bigger, however much is finished above it.
 */
export interface OffsetTracker {
  /**
   * The offset below which every record has its outcome: what may be committed. The lowest record without one; when there is
   * none, the end of what was covered. Never goes back.
   */
  watermark(): bigint
  /** The offset after the last one that was taken or covered: what comes next. */
  readonly next: bigint
  /** Records taken that have no outcome yet. */
  readonly unfinished: number
  /** Grows whenever {@link watermark} or {@link finishedRanges} change: what a commit would write is new. */
  readonly revision: number
  /**
   * Takes a record over, in offset order: its ticket for {@link finish}. {@link KNOWN}, and there is nothing to do, when it was taken
   * or covered before, or when an earlier owner of the partition has finished it.
   */
  take(offset: bigint): number
  /** Everything below this offset was taken, or never comes: filtered records, transaction markers. */
  cover(nextOffset: bigint): void
  /** A record has its outcome. In any order; twice does nothing. */
  finish(ticket: number): void
  /**
   * A finished record above the watermark has no outcome any more, and waits for {@link finish} with the ticket that this gives. Only for one that
   * no commit has named.
   *
   * @throws RangeError when it has none, or is not above the watermark.
   */
  reopen(offset: bigint): number
  /**
   * What is finished at and above the watermark, ascending: also what an earlier owner finished that was not reached again. Made one
   * by one: a caller that has enough stops. To be read at once; it is not to outlive the next call.
   */
  finishedRanges(): Iterable<FinishedRange>
}

/** In place of a ticket: this record is not to be handled. */
export const KNOWN = -1

/**
 * Makes an {@link OffsetTracker} that begins at `start`. `finished`, ascending, is what earlier owners have finished from there on, as it
 * came with the commit of `start`; what lies below `start` is ignored.
 */
export function createOffsetTracker(start: bigint, finished: readonly FinishedRange[] = []): OffsetTracker {
  // A linked list in the order of offsets, in slots that are used again. A link is an unfinished record or a run of finished ones;
  // two runs never stand side by side, and the lowest link is never a run. So every step is O(1), and nothing is searched or moved.
  const firsts: bigint[] = []
  const lasts: bigint[] = []
  const open: boolean[] = [] // an unfinished record; false for runs and free slots
  const tickets: number[] = [] // changes whenever the slot is used again: an old ticket must not finish another's record
  const above: number[] = []
  const below: number[] = []
  let lowest = NONE
  let highest = NONE
  let free = NONE // free slots, linked through `above`
  let runs = 0
  const inherited = finished.filter(({ first, last }) => first <= last && last >= start)
  let reached = 0 // inherited ranges below this index are passed

  /** A link of one record, for the caller to put in its place. */
  const make = (offset: bigint, isOpen: boolean): number => {
    let slot = free
    if (slot === NONE) {
      slot = firsts.length
      if (slot === SLOTS) throw new RangeError(`more than ${SLOTS} unfinished records in one partition`)
      tickets.push(slot)
      firsts.push(offset)
      lasts.push(offset)
      open.push(isOpen)
      above.push(NONE)
      below.push(NONE)
    } else {
      free = above[slot]!
      const ticket = tickets[slot]! + SLOTS
      tickets[slot] = ticket <= Number.MAX_SAFE_INTEGER ? ticket : slot
      firsts[slot] = lasts[slot] = offset
      open[slot] = isOpen
      above[slot] = NONE
    }
    return slot
  }

  const append = (offset: bigint, isOpen: boolean): number => {
    const slot = make(offset, isOpen)
    below[slot] = highest
    if (highest === NONE) lowest = slot
    else above[highest] = slot
    highest = slot
    return slot
  }

  const release = (slot: number): void => {
    above[slot] = free
    free = slot
  }

  /** Makes `upper` (or the end) follow `lower` (or the beginning). */
  const link = (lower: number, upper: number): void => {
    if (lower === NONE) lowest = upper
    else above[lower] = upper
    if (upper === NONE) highest = lower
    else below[upper] = lower
  }

  /** Has an earlier owner finished this record? Passes the ranges that end below it. */
  const isInherited = (offset: bigint): boolean => {
    while (reached < inherited.length && inherited[reached]!.last < offset) {
      reached++
      tracker.revision++
    }
    return reached < inherited.length && inherited[reached]!.first <= offset
  }

  const takeInherited = (offset: bigint): void => {
    tracker.revision++
    if (highest === NONE) return // nothing below it is unfinished: the watermark goes along
    if (!open[highest]!) {
      lasts[highest] = offset
    } else {
      append(offset, false)
      runs++
    }
  }

  const tracker: Mutable<OffsetTracker> = {
    next: start,
    unfinished: 0,
    revision: 0,
    watermark() {
      return lowest === NONE ? tracker.next : firsts[lowest]!
    },
    take(offset) {
      if (offset < tracker.next) return KNOWN
      if (lowest === NONE && offset !== tracker.next) tracker.revision++ // the watermark skips what never comes
      tracker.next = offset + 1n
      if (reached < inherited.length && isInherited(offset)) {
        takeInherited(offset)
        return KNOWN
      }
      tracker.unfinished++
      return tickets[append(offset, true)]!
    },
    cover(nextOffset) {
      if (nextOffset <= tracker.next) return
      tracker.next = nextOffset
      if (lowest === NONE || (reached < inherited.length && inherited[reached]!.first <= tracker.next))
        tracker.revision++
      while (reached < inherited.length && inherited[reached]!.last < tracker.next) reached++
    },
    finish(ticket) {
      const slot = ticket & (SLOTS - 1)
      if (tickets[slot] !== ticket || !open[slot]!) return
      open[slot] = false
      tracker.unfinished--
      tracker.revision++
      const lower = below[slot]!
      const upper = above[slot]!
      const meetsUpper = upper !== NONE && !open[upper]!
      const beyond = meetsUpper ? above[upper]! : upper
      if (lower === NONE || !open[lower]!) {
        // Into the run below it, or, with nothing unfinished below, under the watermark; a run above it goes the same way.
        if (lower !== NONE) lasts[lower] = lasts[meetsUpper ? upper : slot]!
        link(lower, beyond)
        release(slot)
        if (meetsUpper) {
          release(upper)
          runs--
        }
      } else if (meetsUpper) {
        firsts[upper] = firsts[slot]!
        link(lower, upper)
        release(slot)
      } else {
        runs++
      }
    },
    reopen(offset) {
      let run = lowest
      while (run !== NONE && (open[run]! || lasts[run]! < offset)) run = above[run]!
      const first = run === NONE ? null : firsts[run]!
      if (first === null || first > offset) throw new RangeError(`${offset} is not finished above the watermark`)
      const last = lasts[run]!
      let lower = below[run]!
      let upper = above[run]!
      runs--
      if (first < offset) {
        lasts[run] = offset - 1n
        lower = run
        runs++
      } else {
        release(run)
      }
      const record = make(offset, true)
      if (last > offset) {
        const rest = make(offset + 1n, false)
        lasts[rest] = last
        link(rest, upper)
        upper = rest
        runs++
      }
      link(lower, record)
      link(record, upper)
      tracker.unfinished++
      tracker.revision++
      return tickets[record]!
    },
    finishedRanges: () =>
      rangesOf({ firsts, lasts, open, above, lowest, highest, runs, next: tracker.next, inherited, reached }),
  }
  return tracker
}

/** Outside of its maker: a generator in an object literal would keep all that it closes over alive, as a getter would. */
function* rangesOf(standing: Standing): Generator<FinishedRange, void> {
  const { firsts, lasts, open, above, lowest, highest, runs, next, inherited } = standing
  let ahead = standing.reached
  for (let slot = lowest, left = runs; left > 0; slot = above[slot]!) {
    if (open[slot]!) continue
    left--
    let last = lasts[slot]!
    // Between the highest run and what comes next there is nothing, so a range that begins there or before goes on with it.
    for (; slot === highest && ahead < inherited.length && inherited[ahead]!.first <= next; ahead++) {
      if (inherited[ahead]!.last > last) last = inherited[ahead]!.last
    }
    yield { first: firsts[slot]!, last }
  }
  for (; ahead < inherited.length; ahead++) {
    const { first, last } = inherited[ahead]!
    if (last >= next) yield { first: first < next ? next : first, last }
  }
}

interface Standing {
  readonly firsts: readonly bigint[]
  readonly lasts: readonly bigint[]
  readonly open: readonly boolean[]
  readonly above: readonly number[]
  readonly lowest: number
  readonly highest: number
  readonly runs: number
  readonly next: bigint
  readonly inherited: readonly FinishedRange[]
  readonly reached: number
}

const NONE = -1

/**
 * Unfinished records of one partition, at most: far above the 10,000 that its buffer holds. A power of two: the low bits of a ticket are
 * its slot, the others count how often the slot was used, up to 2^29 times before they begin anew.
 */
const SLOTS = 2 ** 24

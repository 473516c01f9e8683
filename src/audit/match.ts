import type { Entry } from './entry-bytes.ts'
import { SECTION, VERDICT } from './entry-bytes.ts'
import type { ReadFact } from './fact-bytes.ts'
import { FACT_BYTES, MESSAGE_BYTES, readFact, SIDE } from './fact-bytes.ts'

/** What decides whether something is missing, surplus, or neither. */
export interface MatchRules {
  /** Judged is what happened from here on, and before `untilMs`. */
  readonly sinceMs: number
  readonly untilMs: number
  /** What happened after this on the first side may not be there yet. */
  readonly settledFromMs: number
  /** What is only on the other side, and happened within these, is extra. None is where they are empty. */
  readonly extraSinceMs: number
  readonly extraUntilMs: number
  /** The first offset that is left of each partition of the other side. */
  readonly begins: ReadonlyMap<number, bigint>
  /** Tombstones may leave no trace on the other side. */
  readonly skipTombstones: boolean
}

/** What was counted while messages were matched. */
export interface MatchCounts {
  judged: number
  matched: number
  young: number
  parked: number
  discarded: number
  expired: number
  tombstones: number
  repeated: number
}

/** Puts the facts of a message together, both sides, and says what is to be judged of them. */
export interface Matcher {
  /** Facts in the order of their bytes. */
  take(block: Buffer): void
  /** The last message is whole. */
  end(): MatchCounts
}

/**
 * Makes a matcher. Only the first facts of each side are held, so a message that came a million times takes no more memory than any other.
 *
 * @param put - takes what is to be judged
 */
export function createMatcher(rules: MatchRules, put: (entry: Entry) => void): Matcher {
  const counts: MatchCounts = {
    judged: 0,
    matched: 0,
    young: 0,
    parked: 0,
    discarded: 0,
    expired: 0,
    tombstones: 0,
    repeated: 0,
  }
  const message = Buffer.alloc(MESSAGE_BYTES)
  let from: ReadFact | null = null
  let to: ReadFact | null = null
  let fromCount = 0
  let toCount = 0

  const inWindow = ({ atMs }: ReadFact): boolean => atMs >= rules.sinceMs && atMs < rules.untilMs

  const surplus = (fact: ReadFact, verdict: number): void =>
    put({
      section: SECTION.surplus,
      a: Uint8Array.of(verdict, ...NO_MORE), // ranges of a kind lie together
      b: fact.line,
      d: fact.order,
      atMs: fact.atMs,
      keyAt: fact.keyAt,
      verdict,
      key: fact.keyed ? fact.group : undefined,
      ordinal: fact.ordinal,
    })

  const verdictOf = (fact: ReadFact): number => {
    if (to !== null) {
      counts.matched++
      if (to.state === 'parked') counts.parked++
      return VERDICT.fine
    }
    if (fact.state === 'parked') counts.parked++
    else if (fact.state === 'discarded') counts.discarded++
    else if (fact.state === 'tombstone' && rules.skipTombstones) counts.tombstones++
    else if (fact.acknowledged !== null && isGone(fact.acknowledged)) counts.expired++
    else if (fact.state !== 'sent' && fact.atMs > rules.settledFromMs) counts.young++
    else return VERDICT.missing
    return VERDICT.fine
  }
  const isGone = ({ partition, offset }: { readonly partition: number; readonly offset: bigint }): boolean =>
    offset < (rules.begins.get(partition) ?? 0n)

  const judge = (): void => {
    if (from !== null && inWindow(from)) {
      counts.judged++
      counts.repeated += fromCount - 1
      put({
        section: SECTION.expected,
        ...(from.keyed && { a: from.group, key: from.group }),
        b: from.line,
        d: from.order,
        atMs: from.atMs,
        keyAt: from.keyAt,
        verdict: verdictOf(from),
        place: from.acknowledged,
      })
    }
    if (from !== null && to !== null && from.keyed) {
      put({
        section: SECTION.arrived,
        a: from.group,
        b: to.line,
        c: from.line,
        d: to.order,
        e: from.order,
        atMs: to.atMs,
        keyAt: to.keyAt,
        key: from.group,
        // Around the window order is looked at, and not judged: a record is late by one that came before, which may lie outside.
        verdict: inWindow(from) ? VERDICT.fine : OUTSIDE,
      })
    }
    if (from === null && to !== null && isExtra(to)) surplus(to, VERDICT.extra)
  }
  const isExtra = (fact: ReadFact): boolean =>
    fact.state !== 'foreign' && fact.atMs >= rules.extraSinceMs && fact.atMs < rules.extraUntilMs && inWindow(fact)

  const take = (block: Buffer, at: number): void => {
    if (fromCount + toCount === 0 || message.compare(block, at, at + MESSAGE_BYTES) !== 0) {
      if (fromCount + toCount > 0) judge()
      block.copy(message, 0, at, at + MESSAGE_BYTES)
      from = to = null
      fromCount = toCount = 0
    }
    const fact = readFact(block, at)
    if (fact.side === SIDE.from) {
      from ??= fact
      fromCount++
      return
    }
    to ??= fact
    // A side that has it twice demands it twice: a mirror of a doubled record is as it should be.
    if (++toCount > Math.max(1, fromCount) && inWindow(fact)) surplus(fact, VERDICT.duplicate)
  }

  return {
    take(block) {
      for (let at = 0; at < block.length; at += FACT_BYTES) take(block, at)
    },
    end() {
      if (fromCount + toCount > 0) judge()
      return counts
    },
  }
}

/** A first copy whose message is outside the window. */
export const OUTSIDE = 255

const NO_MORE = new Uint8Array(15)

import type { FindingKind } from './audit-report.ts'
import type { ReadEntry } from './entry-bytes.ts'
import { ENTRY_BYTES, readEntry, SECTION, VERDICT } from './entry-bytes.ts'
import { OUTSIDE } from './match.ts'

/** Findings that follow each other, as the judge sees them. */
export interface JudgedRange {
  readonly kind: FindingKind
  count: number
  readonly first: ReadEntry
  last: ReadEntry
  /** All have the key of the first. */
  oneKey: boolean
  /** `reordered`, `gap`: what they are behind of. */
  readonly behind: bigint | null
}

/** Looks at what was matched, in its order, and finds what is wrong. */
export interface Judge {
  take(block: Buffer): void
  end(): void
}

/**
 * Makes a judge. It remembers nothing but the entry before.
 *
 * @param chainAfter - a predecessor at this place, or before it, may have been deleted
 * @param found - takes a range that is whole
 */
export function createJudge(chainAfter: bigint | null, found: (range: JudgedRange) => void): Judge {
  let open: JudgedRange | null = null
  let before: ReadEntry | null = null
  /** Of one key and partition: the latest that has come. */
  let latest = -1n
  /** The row that is there, of those that chains name. */
  let row: bigint | null = null

  const close = (): void => {
    if (open !== null) found(open)
    open = null
  }
  const begin = (kind: FindingKind, entry: ReadEntry, behind: bigint | null = null): void => {
    close()
    open = { kind, count: 1, first: entry, last: entry, oneKey: entry.key !== null, behind }
  }
  const goOn = (range: JudgedRange, entry: ReadEntry): void => {
    range.count++
    range.last = entry
    range.oneKey &&= entry.key !== null && range.first.key!.equals(entry.key)
  }
  const isSameLine = (entry: ReadEntry): boolean =>
    before !== null &&
    before.section === entry.section &&
    before.b === entry.b &&
    before.c === entry.c &&
    before.a.equals(entry.a)

  const judgeExpected = (entry: ReadEntry): void => {
    if (!isSameLine(entry)) close()
    if (entry.verdict !== VERDICT.missing) close()
    else if (open === null) begin('missing', entry)
    else goOn(open, entry)
  }

  const judgeArrived = (entry: ReadEntry): void => {
    if (!isSameLine(entry)) {
      close()
      latest = -1n
    }
    if (entry.e > latest) {
      close()
      latest = entry.e
    } else if (entry.verdict === OUTSIDE) close()
    else if (open === null) begin('reordered', entry, latest)
    else goOn(open, entry)
  }

  const judgeSurplus = (entry: ReadEntry): void => {
    const kind = entry.verdict === VERDICT.duplicate ? 'duplicate' : 'extra'
    const follows = open !== null && isSameLine(entry) && entry.ordinal === before!.ordinal + 1
    if (follows) goOn(open!, entry)
    else begin(kind, entry)
  }

  const judgeChain = (entry: ReadEntry): void => {
    const place = entry.a.readBigUInt64BE(0)
    if (entry.b === CHAIN.row) row = place
    else if (place !== row && (chainAfter === null || place > chainAfter)) begin('gap', entry, place)
  }

  const judgeOf = {
    [SECTION.expected]: judgeExpected,
    [SECTION.arrived]: judgeArrived,
    [SECTION.surplus]: judgeSurplus,
    [SECTION.chain]: judgeChain,
  }

  return {
    take(block) {
      for (let at = 0; at < block.length; at += ENTRY_BYTES) {
        const entry = readEntry(block, at)
        if (before !== null && before.section !== entry.section) close()
        judgeOf[entry.section as keyof typeof judgeOf](entry)
        before = entry
      }
    },
    end: close,
  }
}

/** In the chain, a row comes before those that name it. */
export const CHAIN = { row: 0, namedBy: 1 } as const

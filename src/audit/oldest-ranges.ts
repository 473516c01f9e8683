import type { FindingKind } from './audit-report.ts'
import { FINDING_KINDS } from './audit-report.ts'
import type { JudgedRange } from './judge.ts'

/** Ranges of findings: all are counted, the oldest are kept. */
export interface OldestRanges {
  add(range: JudgedRange): void
  /** The oldest, oldest first. */
  of(kind: FindingKind): readonly JudgedRange[]
  /** How many messages. */
  messages(kind: FindingKind): number
  /** How many ranges. */
  ranges(kind: FindingKind): number
}

/** Keeps so many ranges of each kind, however many there are. */
export function createOldestRanges(show: number): OldestRanges {
  const kinds = new Map(FINDING_KINDS.map((kind) => [kind, { kept: [] as JudgedRange[], messages: 0, ranges: 0 }]))
  return {
    add(range) {
      const of = kinds.get(range.kind)!
      of.messages += range.count
      of.ranges++
      const newest = of.kept.at(-1)
      if (of.kept.length >= show && (newest === undefined || byTime(range, newest) >= 0)) return
      const at = of.kept.findIndex((other) => byTime(range, other) < 0)
      of.kept.splice(at === -1 ? of.kept.length : at, 0, range)
      if (of.kept.length > show) of.kept.pop()
    },
    of: (kind) => kinds.get(kind)!.kept,
    messages: (kind) => kinds.get(kind)!.messages,
    ranges: (kind) => kinds.get(kind)!.ranges,
  }
}

function byTime({ first: a }: JudgedRange, { first: b }: JudgedRange): number {
  return a.atMs - b.atMs || a.b - b.b || (a.d < b.d ? -1 : a.d > b.d ? 1 : 0)
}

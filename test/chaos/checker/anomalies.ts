import type { Violation } from './violation.ts'

export type InvariantId = `I${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15}`

/** All violations of one type, of which the worst are kept. */
export interface Anomaly<Example = Violation> {
  readonly invariant: InvariantId
  readonly type: string
  readonly count: number
  /** At most {@link MAX_EXAMPLES}, the worst first, then the earliest. */
  readonly examples: readonly Example[]
}

/** More than a human reads. */
export const MAX_EXAMPLES = 8

/** Gathers violations and forgets all but the worst: a broken run has a million of them. */
export interface Anomalies {
  report(invariant: InvariantId, violation: Violation): void
  /** In the order of the invariants. */
  list(): readonly Anomaly[]
  /** The earliest of all, in microseconds. */
  firstAt(): number | undefined
}

/** Makes an empty gathering. */
export function createAnomalies(): Anomalies {
  const byType = new Map<string, { invariant: InvariantId; count: number; worst: Violation[] }>()
  let first: number | undefined
  return {
    report(invariant, violation) {
      if (violation.at !== undefined && violation.at < (first ?? Infinity)) first = violation.at
      const known = byType.get(violation.type)
      if (known === undefined) {
        byType.set(violation.type, { invariant, count: 1, worst: [violation] })
        return
      }
      known.count += 1
      const { worst } = known
      if (worst.length === MAX_EXAMPLES && worseFirst(worst.at(-1)!, violation) <= 0) return
      worst.push(violation)
      worst.sort(worseFirst)
      worst.length = Math.min(worst.length, MAX_EXAMPLES)
    },
    list: () =>
      Array.from(byType, ([type, { invariant, count, worst }]) => ({ invariant, type, count, examples: worst })),
    firstAt: () => first,
  }
}

function worseFirst(a: Violation, b: Violation): number {
  return (b.weight ?? 1) - (a.weight ?? 1) || (a.at ?? Infinity) - (b.at ?? Infinity) || 0
}

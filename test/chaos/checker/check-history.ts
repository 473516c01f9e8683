import type { HistoryEvent } from '../history/index.ts'
import { createAnomalies, type Anomaly, type InvariantId } from './anomalies.ts'
import { canaries } from './canaries.ts'
import { commitSafety } from './commit-safety.ts'
import { checkVacuity, countEvents, type CounterName, type Counters } from './counters.ts'
import { deadLetters } from './dead-letters.ts'
import { effectCount } from './effect-count.ts'
import { indexHistory, type IndexedHistory } from './index-history.ts'
import { keyOrder } from './key-order.ts'
import { liveness } from './liveness.ts'
import { monotonicCommits } from './monotonic-commits.ts'
import { noLoss } from './no-loss.ts'
import { noPhantom } from './no-phantom.ts'
import { noSkip } from './no-skip.ts'
import { outboxBuckets } from './outbox-buckets.ts'
import { outboxDoubles } from './outbox-doubles.ts'
import { outboxRows } from './outbox-rows.ts'
import { ownership } from './ownership.ts'
import { resourceBounds } from './resource-bounds.ts'
import { retryBounds } from './retry-bounds.ts'
import type { RunData } from './run-data.ts'
import { eventsAround } from './surroundings.ts'
import { transactions } from './transactions.ts'
import type { Report, Violation } from './violation.ts'
import { writtenOnce } from './written-once.ts'

/** What a run proves. */
export interface CheckResult {
  /** No anomaly, and no required counter at 0. */
  readonly valid: boolean
  readonly anomalies: readonly Anomaly<Example>[]
  readonly counters: Counters
  /** The required counters that stayed 0. */
  readonly vacuous: readonly CounterName[]
  /** Microseconds, as the events have. */
  readonly firstViolationAt: number | undefined
}

/** A violation with what happened around it. */
export interface Example extends Violation {
  readonly around: readonly HistoryEvent[]
}

const INVARIANTS: readonly (readonly [InvariantId, (history: IndexedHistory, report: Report) => void])[] = [
  ['I1', noLoss],
  ['I2', noPhantom],
  ['I3', commitSafety],
  ['I4', monotonicCommits],
  ['I5', ownership],
  ['I5', outboxBuckets],
  ['I6', keyOrder],
  ['I7', effectCount],
  ['I8', retryBounds],
  ['I9', deadLetters],
  ['I10', writtenOnce],
  ['I10', outboxRows],
  ['I10', outboxDoubles],
  ['I11', transactions],
  ['I12', liveness],
  ['I13', resourceBounds],
  ['I14', canaries],
  ['I15', noSkip],
]

/**
 * Judges a run by every invariant. Linear in the events, up to the sorting of offsets.
 *
 * @throws Error when the history contradicts itself: an end without its beginning.
 */
export function checkHistory(data: RunData): CheckResult {
  const history = indexHistory(data)
  const anomalies = createAnomalies()
  for (const [id, check] of INVARIANTS) check(history, (violation) => anomalies.report(id, violation))
  const counters = countEvents(history)
  const vacuous = checkVacuity(counters, data.expectations.requiredCounters ?? [])
  const found = anomalies.list().map((anomaly) => ({
    ...anomaly,
    examples: anomaly.examples.map((example) => ({ ...example, around: eventsAround(data.events, example) })),
  }))
  return {
    valid: found.length === 0 && vacuous.length === 0,
    anomalies: found,
    counters,
    vacuous,
    firstViolationAt: anomalies.firstAt(),
  }
}

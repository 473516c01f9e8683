import type { CounterName } from '../checker/index.ts'
import { checkVacuity } from '../checker/index.ts'
import type { ScenarioResult } from './run-scenario.ts'

/** What a run of all scenarios must have seen, in one of them at least: a machine that never brings these about shows nothing about them. */
const OF_A_WHOLE_RUN: readonly CounterName[] = [
  'rebalanceWithWorkInFlight',
  'refusedStaleCommit',
  'dedupeHit',
  'parkAfterCrash',
  'zombieEffectBlocked',
]

/** What a whole run has never seen; nothing for a run of some scenarios, which answer for themselves. */
export function neverSeen(
  scenarios: readonly Pick<ScenarioResult, 'check'>[],
  isWhole: boolean,
): readonly CounterName[] {
  if (!isWhole) return []
  const counts = Object.fromEntries(
    OF_A_WHOLE_RUN.map((name) => [name, scenarios.reduce((sum, { check }) => sum + (check?.counters[name] ?? 0), 0)]),
  ) as Record<CounterName, number>
  return checkVacuity(counts, OF_A_WHOLE_RUN)
}

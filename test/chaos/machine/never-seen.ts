import type { CounterName } from '../checker/index.ts'
import type { ScenarioResult } from './run-scenario.ts'

/**
 * What a run of all scenarios must have seen, in one of them at least: a machine that never brings these about shows nothing about them. Of several any
 * will do: after a pause the consumer asks the group before it commits, so that a stale commit seldom leaves it, and it is a zombie's
 * effect that is refused.
 */
const OF_A_WHOLE_RUN: readonly (readonly CounterName[])[] = [
  ['rebalanceWithWorkInFlight'],
  ['refusedStaleCommit', 'refusedStaleWork', 'zombieEffectBlocked'],
  ['dedupeHit'],
  ['parkAfterCrash'],
]

/** What a whole run has never seen; nothing for a run of some scenarios, which answer for themselves. */
export function neverSeen(scenarios: readonly Pick<ScenarioResult, 'check'>[], isWhole: boolean): readonly string[] {
  if (!isWhole) return []
  const isSeen = (name: CounterName): boolean => scenarios.some(({ check }) => (check?.counters[name] ?? 0) > 0)
  return OF_A_WHOLE_RUN.filter((names) => !names.some(isSeen)).map((names) => names.join(' or '))
}

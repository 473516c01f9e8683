import { seededRandom } from '../../../src/testing/index.ts'
import type { Scenario } from './scenario.ts'

/** The scenarios in the order that the seed draws. */
export function drawSchedule(scenarios: readonly Scenario[], seed: number): readonly Scenario[] {
  const random = seededRandom(seed)
  const drawn = scenarios.map((scenario) => ({ scenario, at: random() }))
  return drawn.toSorted((a, b) => a.at - b.at).map(({ scenario }) => scenario)
}

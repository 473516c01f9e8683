import { seededRandom } from '../../../src/testing/index.ts'
import type { AnyScenario } from './scenario.ts'

/** The scenarios in the order that the seed draws. */
export function drawSchedule(scenarios: readonly AnyScenario[], seed: number): readonly AnyScenario[] {
  const random = seededRandom(seed)
  const drawn = scenarios.map((scenario) => ({ scenario, at: random() }))
  return drawn.toSorted((a, b) => a.at - b.at).map(({ scenario }) => scenario)
}

/** All of them, then all again in the order of the next seed, and so on. */
export function* inRounds(
  first: readonly AnyScenario[],
  seed: number,
  rounds: number,
): Generator<{ readonly scenario: AnyScenario; readonly round: number }, void> {
  if (first.length === 0) return
  for (let round = 1; round <= rounds; round++) {
    for (const scenario of round === 1 ? first : drawSchedule(first, seed + round - 1)) yield { scenario, round }
  }
}

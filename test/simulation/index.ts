import type { Scenario } from '../../src/testing/simulation/index.ts'
import { consuming } from './consuming/consuming.ts'

/** All scenarios, by name. */
export const scenarios = { consuming } as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

export function isScenarioName(name: string): name is ScenarioName {
  return Object.hasOwn(scenarios, name)
}

/** The names, consuming more than once: it has the most to find. */
const DRAWN: readonly ScenarioName[] = ['consuming']

/** The scenario that a seed stands for when none is named. */
export function scenarioOf(seed: number): ScenarioName {
  return DRAWN[seed % DRAWN.length]!
}

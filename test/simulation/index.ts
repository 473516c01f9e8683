import type { Scenario } from '../../src/testing/simulation/index.ts'
import { consuming } from './consuming/consuming.ts'
import { producing } from './producing/producing.ts'
import { shop } from './shop/shop.ts'
import { transacting } from './transacting/transacting.ts'

export type ScenarioName = 'consuming' | 'producing' | 'transacting' | 'shop'

/** All scenarios, by name. */
export const scenarios: Readonly<Record<ScenarioName, Scenario>> = { consuming, producing, transacting, shop }

export function isScenarioName(name: string): name is ScenarioName {
  return Object.hasOwn(scenarios, name)
}

/** Of so many seeds in a row, consuming has the most: it has the most to find. */
const DRAWN: readonly ScenarioName[] = ['consuming', 'producing', 'consuming', 'transacting', 'consuming', 'shop']

/** The scenario that a seed stands for when none is named. */
export function scenarioOf(seed: number): ScenarioName {
  return DRAWN[seed % DRAWN.length]!
}

import type { Scenario, SimulationBounds } from '../../src/testing/simulation/index.ts'
import { atMostOnce } from './at-most-once/at-most-once.ts'
import { consuming } from './consuming/consuming.ts'
import { guarded } from './guarded/guarded.ts'
import { outbox } from './outbox/outbox.ts'
import { producing } from './producing/producing.ts'
import { shop } from './shop/shop.ts'
import { transacting } from './transacting/transacting.ts'

export type ScenarioName = 'consuming' | 'producing' | 'transacting' | 'shop' | 'at-most-once' | 'guarded' | 'outbox'

/** All scenarios, by name. */
export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  consuming,
  producing,
  transacting,
  shop,
  'at-most-once': atMostOnce,
  guarded,
  outbox,
}

const WORLD: SimulationBounds = { cooperative: 0.25 }
/** Kafka may be away for ten minutes, and what waits meanwhile has to be sent afterwards. */
const LONG_WORLD: SimulationBounds = { ...WORLD, doneByMs: 900_000 }

/** In what kind of world it runs. */
export function worldOf(name: ScenarioName): SimulationBounds {
  return name === 'outbox' ? LONG_WORLD : WORLD
}

export function isScenarioName(name: string): name is ScenarioName {
  return Object.hasOwn(scenarios, name)
}

const NAMES = Object.keys(scenarios) as readonly ScenarioName[]

/** The scenario that a seed stands for when none is named. */
export function scenarioOf(seed: number): ScenarioName {
  return NAMES[seed % NAMES.length]!
}

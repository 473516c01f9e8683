import type { Scenario } from '../machine/index.ts'
import { brokerCrash } from './brokers.ts'
import { consumerCrash } from './crash.ts'
import { lostAnswers } from './lost-answers.ts'
import { connectionResets } from './network.ts'
import { rebalanceStorm } from './rebalances.ts'
import { zombie } from './zombie.ts'

/** Every fault of the plan that this machine can do, in the plan's order. */
export const SCENARIOS: readonly Scenario[] = [
  consumerCrash,
  zombie,
  brokerCrash,
  connectionResets,
  lostAnswers,
  rebalanceStorm,
]

/** The most telling ones. */
export const SMOKE: readonly number[] = [1, 2, 6, 11, 16, 18]

import type { ScenarioName } from '../../test/simulation/index.ts'
import { scenarioOf, scenarios } from '../../test/simulation/index.ts'
import type { Share } from './share.ts'

/**
 * Gives one thread the seeds that it is to run, some at a time and shared with the others, so that none waits for another with longer schedules. It keeps to
 * the scenarios that are its own: code that runs all of them by turns is compiled for none, and takes a third more time.
 */
export function* takeSeeds(share: Share): Generator<{ readonly seed: number; readonly scenario: ScenarioName }, void> {
  const { from, count, taken, own, scenario: only } = share
  const names = Object.keys(scenarios) as ScenarioName[]
  const all = only === null ? names : [only]
  const takenOf = (name: ScenarioName): number => Atomics.load(taken, names.indexOf(name))
  const hasLeft = (name: ScenarioName): boolean => takenOf(name) * BLOCK < count
  const leastTaken = (of: readonly ScenarioName[]): ScenarioName | undefined =>
    of.filter(hasLeft).toSorted((a, b) => takenOf(a) - takenOf(b))[0]

  for (let behind = leastTaken(all); behind !== undefined; behind = leastTaken(all)) {
    const mine = leastTaken(all.filter((name) => own.includes(name)))
    const scenario = mine === undefined || takenOf(mine) - takenOf(behind) > MOST_AHEAD ? behind : mine
    const first = from + Atomics.add(taken, names.indexOf(scenario), 1) * BLOCK
    for (let seed = first; seed < Math.min(first + BLOCK, from + count); seed++)
      if (only !== null || scenarioOf(seed) === scenario) yield { seed, scenario }
  }
}

/** Few, so that at the end no thread has much left while others have nothing. */
const BLOCK = 24

/** In blocks; a second's work or two. */
const MOST_AHEAD = 20

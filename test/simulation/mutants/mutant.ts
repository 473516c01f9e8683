import type { Patch } from '../../../scripts/simulation/patch.ts'
import type { TestRun } from '../../../scripts/simulation/run-mutant-test.ts'
import type { ScenarioName } from '../index.ts'

/** A change that takes out the code which keeps one promise. Something has to find each. */
export interface Mutant extends Patch {
  readonly name: string
  /** The promise that it breaks. */
  readonly promise: string
  readonly foundBy: FoundBy
}

/** What finds a mutant: a schedule of a scenario, or, for what the simulator does not run, a test. */
export type FoundBy =
  { readonly kind: 'simulation'; readonly scenario: ScenarioName } | ({ readonly kind: 'test' } & TestRun)

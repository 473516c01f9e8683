import type { Violation } from '../../src/testing/simulation/index.ts'
import type { ScenarioName } from '../../test/simulation/index.ts'

/** What worker threads have to do together: the seeds from `from` to below `from + count`. */
export interface Share {
  readonly from: number
  readonly count: number
  /** Of each scenario, in the order of their table, how many blocks of seeds have been taken by all threads. */
  readonly taken: Int32Array
  /** The scenarios that are this thread's own, while they are not far ahead of the others. */
  readonly own: readonly ScenarioName[]
  /** Null: each seed has its own. */
  readonly scenario: ScenarioName | null
  /** It begins no schedule after so many milliseconds. */
  readonly untilMs: number
  /** Runs each seed twice and compares. */
  readonly twice: boolean
}

/** What a worker thread says. */
export type FromWorker =
  | { readonly kind: 'progress'; readonly schedules: number }
  | {
      readonly kind: 'broken'
      readonly seed: number
      readonly scenario: ScenarioName
      readonly violations: readonly Violation[]
    }
  | { readonly kind: 'done'; readonly steps: number }

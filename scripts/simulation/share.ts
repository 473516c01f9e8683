import type { Violation } from '../../src/testing/simulation/index.ts'
import type { ScenarioName } from '../../test/simulation/index.ts'

/** What worker threads have to do together: the seeds from `from` to below `from + count`. */
export interface Share {
  readonly from: number
  readonly count: number
  /** How many of them have been taken; each thread takes some at a time, so that none waits for another with longer schedules. */
  readonly taken: Int32Array
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

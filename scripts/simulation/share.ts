import type { Violation } from '../../src/testing/simulation/index.ts'
import type { ScenarioName } from '../../test/simulation/index.ts'

/** What a worker thread has to do: seeds `from`, `from + stride`, …, below `from + count`. */
export interface Share {
  readonly from: number
  readonly count: number
  readonly stride: number
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

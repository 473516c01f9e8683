import type { Violation } from '../../src/testing/simulation/index.ts'

/** What a worker thread has to do: seeds `from`, `from + stride`, …, below `from + count`. */
export interface Share {
  readonly from: number
  readonly count: number
  readonly stride: number
  /** It begins no schedule after so many milliseconds. */
  readonly untilMs: number
  /** Runs each seed twice and compares. */
  readonly twice: boolean
}

/** What a worker thread says. */
export type FromWorker =
  | { readonly kind: 'progress'; readonly schedules: number }
  | { readonly kind: 'broken'; readonly seed: number; readonly violations: readonly Violation[] }
  | { readonly kind: 'done'; readonly steps: number }

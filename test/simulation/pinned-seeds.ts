import type { ScenarioName } from './index.ts'

/** A schedule that has found a bug. */
export interface PinnedSeed {
  readonly scenario: ScenarioName
  readonly seed: number
  /** What happened in it, since a seed means something else as soon as its scenario draws anything else. */
  readonly why: string
}

/** Schedules that have found bugs of Holdfast, which are mended: `npm run sim -- --pinned` runs them. */
export const pinnedSeeds: readonly PinnedSeed[] = [
  {
    scenario: 'consuming',
    seed: 325,
    why: 'a message ends while its process waits for the group to confirm a membership that it has lost meanwhile, and is marked all the same',
  },
  {
    scenario: 'consuming',
    seed: 1139672,
    why: 'partitions are lost in the turn in which they came, and their starts are committed again and again',
  },
  {
    scenario: 'consuming',
    seed: 2541732,
    why: 'a message is failed in a batch, and its partition goes before the batch ends: the attempt was forgotten',
  },
]

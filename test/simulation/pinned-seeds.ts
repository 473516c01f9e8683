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
    seed: 173,
    why: 'a process is suspended in a handler for longer than its session; resumed, it ends while it waits for the group, loses its partitions, and marks the message all the same',
  },
]

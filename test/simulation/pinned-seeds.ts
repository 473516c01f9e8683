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
  {
    scenario: 'at-most-once',
    seed: 12,
    why: 'a broker refuses text with commits: the offset without it took back what was handled out of order, and that was handled again',
  },
  {
    scenario: 'at-most-once',
    seed: 40,
    why: 'what had waited for room in a commit was claimed without a place, and a crash would have lost more than there are places',
  },
  {
    scenario: 'at-most-once',
    seed: 297,
    why: 'without text in commits, claims held all places while they waited for a record that got none',
  },
  {
    scenario: 'at-most-once',
    seed: 1713,
    why: 'a partition goes while a batch is claimed out of order: the later of its messages was called, and the earlier came after it',
  },
  {
    scenario: 'at-most-once',
    seed: 2029,
    why: 'a handler has its message skipped when its partition is gone: nobody was told, and it never comes again',
  },
  {
    scenario: 'at-most-once',
    seed: 556476680,
    why: 'a broker refuses text with commits for the first time: one commit then took all that was on its way, more than there were places',
  },
  {
    scenario: 'guarded',
    seed: 40,
    why: 'a batch has two records of one message, and the later one has the lease: each waited for the other for ever',
  },
  {
    scenario: 'guarded',
    seed: 17676,
    why: 'a batch was handled, and not marked: when one of it failed by itself, that was taken for the fault of all, and was no attempt',
  },
  {
    scenario: 'guarded',
    seed: 450200609,
    why: 'batches of two partitions have the same messages in another order, and each holds a lease that the other waits for, for ever',
  },
  {
    scenario: 'outbox',
    seed: 200183,
    why: 'a transaction failed and was not ended, so the next one never began; that was taken for a refusal of the row, again and again',
  },
  {
    scenario: 'outbox',
    seed: 200357,
    why: 'rows were sent and not marked, and a later one of their key was parked: whoever read them next set them aside behind it',
  },
]

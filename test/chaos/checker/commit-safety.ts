import { decodeFinishedRanges } from '../../../src/consumer/finished-ranges.ts'
import type { OffsetRange } from '../history/index.ts'
import type { PairedCommit } from './commits.ts'
import type { IndexedHistory, PartitionStory } from './index-history.ts'
import { floorOf, nameOf } from './outcomes.ts'
import type { Report } from './violation.ts'

/**
 * I3: before a commit is invoked, every visible record below it, and every one in the finished ranges that travel with it, has its
 * outcome: its dead letter acknowledged, its row in the database. A commit that was refused harms nobody; one in doubt counts.
 */
export function commitSafety(history: IndexedHistory, report: Report): void {
  for (const group of history.groups) {
    for (const story of group.partitions.values()) judgePartition(story, report)
  }
}

function judgePartition(story: PartitionStory, report: Report): void {
  const { outcomes, commits } = story
  const start = story.log.placeAtOrAbove(floorOf(story))
  const latestUpTo = latestOutcomes(outcomes, start)
  const verified = new Map<bigint, bigint>() // finished ranges stay finished, and many commits repeat them
  for (const commit of commits) {
    if (commit.outcome === 'fail') continue
    const below = story.log.placeAtOrAbove(commit.invoke.offset)
    if (below > start && latestUpTo[below - 1]! > commit.invokedAt) {
      const first = firstAbove(latestUpTo, commit.invokedAt, start)
      reportUnfinished(story, commit, first, outcomes, 'commit-past-unfinished', report)
    }
    for (const [first, last] of rangesOf(commit)) {
      if ((verified.get(first) ?? -1n) >= last) continue
      const end = story.log.placeAtOrAbove(last + 1n)
      let place = Math.max(story.log.placeAtOrAbove(first), start)
      while (place < end && outcomes[place]! < commit.invokedAt) place += 1
      if (place >= end) verified.set(first, last)
      else reportUnfinished(story, commit, place, outcomes, 'unfinished-in-range', report)
    }
  }
}

/** For each place, the latest outcome of all from the start up to it: it never falls, so that one look judges a whole commit. */
function latestOutcomes(outcomes: readonly number[], start: number): number[] {
  let latest = -1
  return outcomes.map((place, at) => (latest = at < start ? latest : Math.max(latest, place)))
}

function firstAbove(ascending: readonly number[], bound: number, from: number): number {
  let [low, high] = [from, ascending.length - 1]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! > bound) high = middle
    else low = middle + 1
  }
  return low
}

function rangesOf({ invoke: { offset, metadata, ranges } }: PairedCommit): readonly OffsetRange[] {
  if (ranges !== undefined) return ranges
  if (metadata === undefined || metadata === '') return []
  return decodeFinishedRanges(offset, metadata).map(({ first, last }) => [first, last] as const)
}

function reportUnfinished(
  { group, topic, partition, log, events }: PartitionStory,
  { invoke, outcome }: PairedCommit,
  place: number,
  outcomes: readonly number[],
  type: string,
  report: Report,
): void {
  const record = log.records[place]!
  const later = events[outcomes[place]!]
  const end =
    later === undefined ? 'has never got an outcome' : `got its outcome ${microseconds(later.t - invoke.t)} later`
  report({
    type,
    text: `${invoke.proc} committed ${invoke.offset} (${outcome}) in epoch ${invoke.epoch}; ${nameOf(record)} ${end}`,
    at: invoke.t,
    group: group.expected.group,
    topic,
    partition,
    offset: record.offset,
    proc: invoke.proc,
    weight: later === undefined ? 2 : 1,
  })
}

function microseconds(span: number): string {
  return `${(span / 1_000).toFixed(1)} ms`
}

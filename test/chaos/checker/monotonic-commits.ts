import { formatPartition } from '../../../src/record/index.ts'
import type { PairedCommit } from './commits.ts'
import type { IndexedHistory, PartitionStory } from './index-history.ts'
import type { AcceptedCommit } from './run-data.ts'
import type { Report } from './violation.ts'

/**
 * I4: what a group has committed never goes back, except by a reset that the scenario allows, and never beyond the end of the log. Two
 * commits that were under way at the same time may have been stored in either order; the broker's own list, where there is one, knows.
 */
export function monotonicCommits(history: IndexedHistory, report: Report): void {
  const accepted = acceptedByPartition(history.commits ?? [])
  const ends = new Map((history.logEnds ?? []).map((end) => [formatPartition(end), end.end]))
  for (const group of history.groups) {
    for (const [name, story] of group.partitions) {
      judgeOrder(story, report)
      judgeStored(story, accepted.get(`${group.expected.group} ${name}`) ?? [], report)
      judgeResets(story, report)
      judgeEnd(story, ends.get(name), report)
    }
  }
}

/** Whether an acknowledged commit is lower than one that had been acknowledged before it was invoked. */
function judgeOrder(story: PartitionStory, report: Report): void {
  const { commits } = story
  const invoked = new Map(commits.map((commit) => [commit.invokedAt, commit]))
  const ended = new Map(commits.map((commit) => [commit.endedAt, commit]))
  const floors = new Map<PairedCommit, bigint>()
  let floor = -1n
  let lastReset = -1
  story.events.forEach((event, place) => {
    if (event.f === 'reset') [floor, lastReset] = [-1n, place]
    const begins = invoked.get(place)
    if (begins !== undefined) floors.set(begins, floor)
    const ends = ended.get(place)
    if (ends?.outcome !== 'ok') return
    const { invoke } = ends
    const before = floors.get(ends)!
    if (invoke.offset < before && lastReset < ends.invokedAt) {
      report({
        type: 'commit-went-back',
        text: `${invoke.proc} committed ${invoke.offset} in epoch ${invoke.epoch} after ${before} had been acknowledged`,
        at: invoke.t,
        proc: invoke.proc,
        weight: Number(before - invoke.offset),
        ...whereOf(story, invoke.offset),
      })
    }
    if (invoke.offset > floor && lastReset < ends.invokedAt) floor = invoke.offset
  })
}

/**
 * Whether the broker's list goes back to where no allowed reset points. A commit whose answer never came may still have been on its way, in a proxy or a
 * socket, when its member committed higher by another connection: nothing in the protocol tells the two apart within one epoch.
 */
function judgeStored(story: PartitionStory, stored: readonly AcceptedCommit[], report: Report): void {
  const targets = new Set(story.events.flatMap((event) => (event.f === 'reset' ? [event.to] : [])))
  const inDoubt = new Set(story.commits.filter(({ outcome }) => outcome === 'info' || outcome === 'open'))
  const lateOne = (offset: bigint, higher: bigint): PairedCommit | undefined =>
    [...inDoubt].find(
      ({ invoke: { offset: own, proc, epoch } }) =>
        own === offset &&
        story.commits.some(({ invoke }) => invoke.offset === higher && invoke.proc === proc && invoke.epoch === epoch),
    )
  let last = -1n
  for (const { offset } of stored) {
    const late = offset < last ? lateOne(offset, last) : undefined
    if (late !== undefined) {
      inDoubt.delete(late)
      continue
    }
    if (offset < last && !(story.group.expected.mayReset === true && targets.has(offset))) {
      report({
        type: 'stored-commit-went-back',
        text: `the broker stored ${offset} for ${story.group.expected.group} after ${last}`,
        weight: Number(last - offset),
        ...whereOf(story, offset),
      })
    }
    last = offset
  }
}

function judgeResets(story: PartitionStory, report: Report): void {
  if (story.group.expected.mayReset === true) return
  for (const event of story.events) {
    if (event.f !== 'reset') continue
    report({
      type: 'unexpected-reset',
      text: `${event.proc} went from ${event.from} to ${event.to}: ${event.why}`,
      at: event.t,
      proc: event.proc,
      ...whereOf(story, event.from),
    })
  }
}

function judgeEnd(story: PartitionStory, end: bigint | undefined, report: Report): void {
  for (const { invoke, outcome } of story.commits) {
    if (end === undefined || invoke.offset <= end || outcome === 'fail') continue
    report({
      type: 'commit-past-end',
      text: `${invoke.proc} committed ${invoke.offset}, and the partition ends at ${end}`,
      at: invoke.t,
      proc: invoke.proc,
      ...whereOf(story, invoke.offset),
    })
  }
}

function acceptedByPartition(commits: readonly AcceptedCommit[]): ReadonlyMap<string, readonly AcceptedCommit[]> {
  const byPartition = new Map<string, AcceptedCommit[]>()
  for (const commit of commits) {
    const name = `${commit.group} ${formatPartition(commit)}`
    const known = byPartition.get(name)
    if (known === undefined) byPartition.set(name, [commit])
    else known.push(commit)
  }
  return byPartition
}

function whereOf(
  { group, topic, partition }: PartitionStory,
  offset: bigint,
): { group: string; topic: string; partition: number; offset: bigint } {
  return { group: group.expected.group, topic, partition, offset }
}

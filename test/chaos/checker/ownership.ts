import type { PairedCommit } from './commits.ts'
import type { IndexedHistory, PartitionEvent, PartitionStory } from './index-history.ts'
import { createOwners } from './owners.ts'
import type { Report, Violation } from './violation.ts'

/**
 * I5: a process takes records, begins handlers and commits between the assignment and the end of the same epoch, and once a later owner's
 * commit was accepted no earlier owner's is. A commit that was refused, here or by the broker, is the rule at work.
 */
export function ownership(history: IndexedHistory, report: Report): void {
  for (const group of history.groups) {
    for (const story of group.partitions.values()) {
      judgeCommitters(story, judgeEpochs(story, report), report)
    }
  }
}

/** Gives the place of the assignment under which each commit was invoked. */
function judgeEpochs(story: PartitionStory, report: Report): ReadonlyMap<PairedCommit, number> {
  const invoked = new Map(story.commits.map((commit) => [commit.invokedAt, commit]))
  const since = new Map<PairedCommit, number>()
  const owners = createOwners()
  story.events.forEach((event, place) => {
    owners.follow(event, place)
    if (!('epoch' in event) && event.f !== 'deliver' && event.f !== 'handler-begin') return
    const holding = owners.of(event.proc)
    const commit = invoked.get(place)
    if (commit !== undefined && holding?.epoch === commit.invoke.epoch) since.set(commit, holding.since)
    const type = deed(event, commit)
    if (type === undefined) return
    const epoch = 'epoch' in event ? event.epoch : undefined
    if (holding !== undefined && (epoch === undefined || epoch === holding.epoch)) return
    const holds = holding === undefined ? 'does not hold the partition' : `holds it in epoch ${holding.epoch}`
    report({
      type,
      text: `${event.proc} ${VERBS[type]} ${'offset' in event ? event.offset : ''} in epoch ${epoch ?? '?'}, and ${holds}`,
      ...seenAt(story, event),
    })
  })
  return since
}

type Deed = keyof typeof VERBS

const VERBS = {
  'delivered-without-owning': 'was given',
  'began-without-owning': 'began the handler of',
  'committed-without-owning': 'committed',
} as const

/** What of an event is for owners alone; undefined when nothing is. */
function deed(event: PartitionEvent, commit: PairedCommit | undefined): Deed | undefined {
  if (event.f === 'deliver') return 'delivered-without-owning'
  if (event.f === 'handler-begin') return 'began-without-owning'
  return commit?.outcome === 'ok' || commit?.outcome === 'info' ? 'committed-without-owning' : undefined
}

function judgeCommitters(story: PartitionStory, since: ReadonlyMap<PairedCommit, number>, report: Report): void {
  const accepted = story.commits.filter((commit) => commit.outcome === 'ok' && since.has(commit))
  const byEnd = accepted.toSorted((a, b) => a.endedAt - b.endedAt)
  let done = 0
  let latest: PairedCommit | undefined // of all that were accepted before this one began, the one of the latest assignment
  for (const commit of accepted) {
    for (; done < byEnd.length && byEnd[done]!.endedAt < commit.invokedAt; done += 1) {
      if (latest === undefined || since.get(byEnd[done]!)! > since.get(latest)!) latest = byEnd[done]
    }
    if (latest === undefined || since.get(latest)! <= since.get(commit)!) continue
    const { invoke } = commit
    report({
      type: 'two-committers',
      text: `${invoke.proc} had ${invoke.offset} accepted after ${latest.invoke.proc}, assigned later, had ${latest.invoke.offset} accepted`,
      ...seenAt(story, invoke),
      weight: 2,
    })
  }
}

function seenAt({ group, topic, partition }: PartitionStory, event: PartitionEvent): Omit<Violation, 'type' | 'text'> {
  return {
    at: event.t,
    group: group.expected.group,
    topic,
    partition,
    proc: event.proc,
    ...('offset' in event && { offset: event.offset }),
  }
}

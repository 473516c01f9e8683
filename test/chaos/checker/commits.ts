import type { Commit, CommitFailure, HistoryEvent } from '../history/index.ts'
import type { PartitionEvent } from './index-history.ts'

/** A commit from its invocation to its answer. `open`: the process ended before there was one. */
export interface PairedCommit {
  readonly invoke: PartitionEvent & Commit
  readonly invokedAt: number
  outcome: 'ok' | 'fail' | 'info' | 'open'
  end: (PartitionEvent & (Commit | CommitFailure)) | undefined
  /** Its place in the story; Infinity while there is none. */
  endedAt: number
}

/** The commits of one partition, by their invocations. An answer belongs to the oldest open commit of its process, epoch and offset. */
export function pairCommits(events: readonly PartitionEvent[]): PairedCommit[] {
  const commits: PairedCommit[] = []
  const open = new Map<string, PairedCommit[]>()
  events.forEach((event, place) => {
    if (!isCommit(event)) return
    const name = `${event.proc} ${event.epoch} ${event.offset}`
    if (event.f === 'commit-invoke') {
      const commit: PairedCommit = {
        invoke: event,
        invokedAt: place,
        outcome: 'open',
        end: undefined,
        endedAt: Infinity,
      }
      commits.push(commit)
      const waiting = open.get(name)
      if (waiting === undefined) open.set(name, [commit])
      else waiting.push(commit)
      return
    }
    const commit = open.get(name)?.shift()
    if (commit === undefined) throw new Error(`${event.proc}:${event.i} answers a commit that was never invoked`)
    if (open.get(name)!.length === 0) open.delete(name)
    commit.outcome = OUTCOMES[event.f]
    commit.end = event
    commit.endedAt = place
  })
  return commits
}

const OUTCOMES = { 'commit-ok': 'ok', 'commit-fail': 'fail', 'commit-info': 'info' } as const

function isCommit(event: HistoryEvent): event is HistoryEvent & (Commit | CommitFailure) {
  return event.f.startsWith('commit-')
}

import type { IndexedHistory } from './index-history.ts'
import { doublesOfOutbox, staleCopiesOf } from './outbox-doubles.ts'
import type { OutboxStory } from './outbox-story.ts'
import { outboxStory } from './outbox-story.ts'
import { wasKilled } from './process-stories.ts'

export type OutboxCounterName =
  /** Messages that were committed. */
  | 'outboxCommitted'
  /** Of them, those that are on the topic. */
  | 'outboxPublished'
  /** Transactions that were rolled back, or failed, after they had enqueued. */
  | 'outboxRolledBack'
  /** The answer to the commit of a transaction was lost. */
  | 'outboxCommitInDoubt'
  /** Copies beyond the first. */
  | 'outboxDoubles'
  /** Messages that stand twice because a relay was killed before it had marked them. */
  | 'doubledByRelayKill'
  /** Because nobody knew whether they had been written. */
  | 'doubledByDoubt'
  /** Because their bucket went to another worker before they were marked. */
  | 'doubledByLease'
  /** Old copies behind newer records of their key. */
  | 'staleCopies'
  /** A relay was killed with so many messages acknowledged and not marked. */
  | 'killedUnmarked'
  /** A bucket went to another worker. */
  | 'bucketsMoved'
  /** A bucket went to another worker while its holder lived and had not given it back. */
  | 'bucketsLost'
  /** Kafka refused a transaction of a worker whose bucket has another one. */
  | 'fencedSends'
  /** Whether rows were marked was not known. */
  | 'markInDoubt'

/** Counts what an outbox and its relays met; all 0 without one. */
export function countOutbox(history: IndexedHistory): Record<OutboxCounterName, number> {
  const counters: Record<OutboxCounterName, number> = {
    outboxCommitted: 0,
    outboxPublished: 0,
    outboxRolledBack: 0,
    outboxCommitInDoubt: 0,
    outboxDoubles: 0,
    doubledByRelayKill: 0,
    doubledByDoubt: 0,
    doubledByLease: 0,
    staleCopies: 0,
    killedUnmarked: 0,
    bucketsMoved: 0,
    bucketsLost: 0,
    fencedSends: 0,
    markInDoubt: 0,
  }
  const story = outboxStory(history)
  if (story === undefined) return counters
  for (const event of history.events) {
    if (event.f === 'transaction') {
      if (event.result === 'rolled-back' || event.result === 'failed') counters.outboxRolledBack += 1
      if (event.result === 'in-doubt') counters.outboxCommitInDoubt += 1
    }
    if (event.f === 'relay-answer' && event.code === 'HOLDFAST_FENCED') counters.fencedSends += 1
    if (event.f === 'relay-mark' && event.phase === 'info') counters.markInDoubt += 1
  }
  counters.outboxCommitted = story.rows.length
  counters.outboxPublished = story.rows.filter(({ id }) => story.copies.has(id)).length
  for (const { copies, reasons } of doublesOfOutbox(history, story)) {
    counters.outboxDoubles += copies.length - 1
    if (reasons.includes('killed')) counters.doubledByRelayKill += 1
    if (reasons.includes('doubt')) counters.doubledByDoubt += 1
    if (reasons.includes('lease')) counters.doubledByLease += 1
  }
  counters.staleCopies = staleCopiesOf(story).length
  for (const sends of story.sends.values()) {
    for (const { proc, end, markedAt } of sends) {
      if (end === 'acked' && markedAt === undefined && wasKilled(history.processes.get(proc)))
        counters.killedUnmarked += 1
    }
  }
  countMoves(story, counters)
  return counters
}

function countMoves({ holds }: OutboxStory, counters: Record<OutboxCounterName, number>): void {
  const last = new Map<number, OutboxStory['holds'][number]>()
  for (const hold of holds) {
    const before = last.get(hold.bucket)
    last.set(hold.bucket, hold)
    if (before === undefined || before.proc === hold.proc) continue
    counters.bucketsMoved += 1
    if (before.until > hold.from) counters.bucketsLost += 1
  }
}

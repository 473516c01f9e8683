import { formatPosition } from '../../../src/record/index.ts'
import type { IndexedHistory } from './index-history.ts'
import type { OutboxStory, RelayedMessage, ResendReason } from './outbox-story.ts'
import { bucketOf, outboxStory, stoodStill, whyAgain } from './outbox-story.ts'
import type { OutboxRecord, OutboxRow } from './run-data.ts'
import type { Report } from './violation.ts'

/**
 * I10, as far as the copies of an outbox's messages go: a message comes again only where the history shows why, and what comes again comes to its end: the
 * records of a key go on after an old copy as they did before it. A copy that stands behind newer records by itself is one of a process that stood
 * still between its look at the lease and its socket.
 */
export function outboxDoubles(history: IndexedHistory, report: Report): void {
  const story = outboxStory(history)
  if (story === undefined) return
  judgeDoubles(history, story, report)
  judgeStale(history, story, report)
}

/** Copies of a message beyond the first, and why they are there. */
export interface OutboxDouble {
  readonly row: OutboxRow
  readonly copies: readonly OutboxRecord[]
  /** For each send that could have been the last one. */
  readonly reasons: readonly (ResendReason | null)[]
  /** Sends of which a copy may be on the log. */
  readonly possible: number
}

/** All messages that stand more than once on the log. */
export function doublesOfOutbox(history: IndexedHistory, story: OutboxStory): readonly OutboxDouble[] {
  const doubles: OutboxDouble[] = []
  for (const [id, copies] of story.copies) {
    const row = story.rowOf.get(id)
    if (copies.length < 2 || row === undefined) continue
    const sends = (story.sends.get(id) ?? []).filter(({ end }) => end !== 'failed')
    const bucket = bucketOf(copies[0]!.topic, row)
    const reasons = sends.slice(1).map((next, i) => whyAgain(history, story, bucket, sends[i]!, next))
    doubles.push({ row, copies, reasons, possible: sends.length })
  }
  return doubles
}

function judgeDoubles(history: IndexedHistory, story: OutboxStory, report: Report): void {
  const mayDouble = history.expectations.outbox?.doubles !== 'none'
  for (const { row, copies, reasons, possible } of doublesOfOutbox(history, story)) {
    const places = copies.map(formatPosition).join(', ')
    const { topic, partition, offset } = copies.at(-1)!
    const where = { topic, partition, offset }
    if (!mayDouble) {
      report({ type: 'doubled', text: `${row.id} stands at ${places}, and nothing may come twice`, ...where })
    } else if (copies.length > possible) {
      const text = `${row.id} stands at ${places}, and was sent ${possible} times`
      report({ type: 'written-twice-by-relay', text, ...where })
    } else if (reasons.includes(null)) {
      const [before, next] = sendsAround(story, row.id, reasons.indexOf(null))
      const text = `${row.id} stands at ${places}; ${next.proc} sent it again after ${before.proc} had sent it, and nothing explains it`
      report({ type: 'double-unexplained', text, at: next.sentAt, proc: next.proc, ...where })
    }
  }
}

function sendsAround({ sends }: OutboxStory, id: string, i: number): readonly [RelayedMessage, RelayedMessage] {
  const possible = (sends.get(id) ?? []).filter(({ end }) => end !== 'failed')
  return [possible[i]!, possible[i + 1]!]
}

/** A copy behind a newer record of its key, after which the records of the key do not go on with the next one. */
export interface StaleCopy {
  readonly row: OutboxRow
  readonly record: OutboxRecord
  /** Who sent it: one, or those of whom nobody knows whether theirs was written. */
  readonly senders: readonly RelayedMessage[]
}

/** All of them. */
export function staleCopiesOf({ records, rowOf, sends }: OutboxStory): readonly StaleCopy[] {
  const byKey = new Map<string, { readonly row: OutboxRow; readonly record: OutboxRecord }[]>()
  for (const record of records) {
    const row = record.id === null ? undefined : rowOf.get(record.id)
    if (row === undefined) continue
    const own = byKey.get(row.key)
    if (own === undefined) byKey.set(row.key, [{ row, record }])
    else own.push({ row, record })
  }
  const stale: StaleCopy[] = []
  for (const own of byKey.values()) {
    const seen = new Set<number>()
    let newest = 0
    for (const [i, { row, record }] of own.entries()) {
      const next = own[i + 1]?.row.seq
      const isFirst = !seen.has(row.seq)
      seen.add(row.seq)
      newest = Math.max(newest, row.seq)
      if (isFirst || row.seq === newest) continue
      if (next !== undefined && next <= row.seq + 1) continue
      const possible = (sends.get(row.id) ?? []).filter(({ partition, end, offset }) =>
        end === 'acked' ? partition === record.partition && offset === record.offset : end !== 'failed',
      )
      const known = possible.filter(({ end }) => end === 'acked')
      stale.push({ row, record, senders: known.length > 0 ? known : possible })
    }
  }
  return stale
}

function judgeStale(history: IndexedHistory, story: OutboxStory, report: Report): void {
  const isAllowed = history.expectations.outbox?.staleCopies !== 'none'
  for (const { row, record, senders } of staleCopiesOf(story)) {
    const isExplained = senders.some(({ proc, sentAt, answeredAt }) =>
      stoodStill(story, proc, sentAt - AROUND_THE_SEND_US, answeredAt ?? Infinity),
    )
    const [send] = senders
    if (isAllowed && isExplained) continue
    report({
      type: 'stale-copy',
      text: `an old copy of ${row.id}, number ${row.seq} of ${row.key}, stands at ${formatPosition(record)}, behind newer ones (sent by ${senders.map(({ proc }) => proc).join(' or ') || 'nobody knows whom'})`,
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
      ...(send === undefined ? {} : { at: send.sentAt, proc: send.proc }),
    })
  }
}

/** Between the end of a pause and the journal's line for the send lies the way from a failpoint to the driver. */
const AROUND_THE_SEND_US = 2_000_000

import { formatPosition } from '../../../src/record/index.ts'
import type { IndexedHistory } from './index-history.ts'
import type { OutboxStory } from './outbox-story.ts'
import { outboxStory } from './outbox-story.ts'
import type { OutboxRecord } from './run-data.ts'
import type { Report } from './violation.ts'

/**
 * I10, as far as an outbox goes: every message that was committed is on the topic, and nothing else is; the first copies of a key stand in the order in
 * which its messages were committed, in one partition; and every further copy of a message is the first one, byte for byte.
 */
export function outboxRows(history: IndexedHistory, report: Report): void {
  const story = outboxStory(history)
  if (story === undefined) return
  judgeRows(story, report)
  judgeRecords(story, report)
  judgeOrder(story, report)
}

function judgeRows({ rows, copies, left }: OutboxStory, report: Report): void {
  const waiting = new Map(left.map(({ id, isSetAside }) => [id, isSetAside]))
  for (const { id, key, seq } of rows) {
    const isSetAside = waiting.get(id)
    if (copies.has(id)) {
      if (isSetAside === undefined) continue
      const text = `${id}, number ${seq} of ${key}, is on the topic, and still in the outbox`
      report({ type: 'row-left', text })
      continue
    }
    const where = isSetAside === undefined ? 'gone from the outbox' : isSetAside ? 'set aside' : 'in the outbox'
    report({
      type: 'missing',
      text: `${id}, number ${seq} of ${key}, was committed, and is not on the topic: it is ${where}`,
      weight: isSetAside === undefined ? 2 : 1,
    })
  }
}

function judgeRecords({ rowOf, copies, records }: OutboxStory, report: Report): void {
  for (const record of records) {
    if (record.id !== null && rowOf.has(record.id)) continue
    const text = `${formatPosition(record)} holds ${record.id ?? 'a record without an id'}, which no committed transaction has enqueued`
    report({ type: 'never-committed', text, ...placeOf(record) })
  }
  for (const [id, [first, ...others]] of copies) {
    const row = rowOf.get(id)
    if (row !== undefined && first!.key !== row.key) {
      const text = `${id} stands at ${formatPosition(first!)} with another key than ${row.key}`
      report({ type: 'copy-changed', text, ...placeOf(first!) })
    }
    for (const other of others) {
      if (other.digest === first!.digest) continue
      const text = `${id} stands at ${formatPosition(other)} in other bytes than at ${formatPosition(first!)}`
      report({ type: 'copy-changed', text, ...placeOf(other) })
    }
  }
}

function judgeOrder({ rowOf, records }: OutboxStory, report: Report): void {
  const seen = new Set<string>()
  const last = new Map<string, { readonly seq: number; readonly id: string; readonly record: OutboxRecord }>()
  for (const record of records) {
    const row = record.id === null ? undefined : rowOf.get(record.id)
    if (row === undefined) continue
    const before = last.get(row.key)
    if (before !== undefined && before.record.partition !== record.partition) {
      const text = `${row.key} is in partition ${record.partition}, and in ${before.record.partition}`
      report({ type: 'key-moved', text, ...placeOf(record) })
    }
    if (seen.has(row.id)) continue
    seen.add(row.id)
    if (before !== undefined && row.seq < before.seq) {
      report({
        type: 'reordered',
        text: `${row.id}, number ${row.seq} of ${row.key}, stands first at ${formatPosition(record)}, after ${before.id}, number ${before.seq}`,
        ...placeOf(record),
      })
    } else last.set(row.key, { seq: row.seq, id: row.id, record })
  }
}

function placeOf({ topic, partition, offset }: OutboxRecord) {
  return { topic, partition, offset }
}

import type { IndexedHistory } from './index-history.ts'
import type { Transaction } from './produces.ts'
import type { Report } from './violation.ts'

/**
 * I11: a read_committed reader sees a transaction whole or not at all: all of a committed one, nothing of an aborted one, and one in
 * doubt either way. A record whose own send was in doubt may be missing from it.
 */
export function transactions({ transactions: all, written, groups }: IndexedHistory, report: Report): void {
  for (const transaction of all.values()) {
    const sent = transaction.produces.filter(({ outcome }) => outcome === 'ok')
    // What retention has taken after it was handled was visible.
    const isVisible = (value: string): boolean =>
      written.has(value) || groups.some(({ effectsByValue }) => effectsByValue.has(value))
    const visible = transaction.produces.filter(({ invoke }) => isVisible(invoke.value))
    const missing = sent.filter(({ invoke }) => !isVisible(invoke.value))
    const first = visible[0] ?? missing[0]
    const type = judge(transaction, visible.length, missing.length)
    if (type === undefined || first === undefined) continue
    const place = first.end?.f === 'produce-ok' ? first.end : undefined
    report({
      type,
      text: `transaction ${transaction.txn} (${transaction.state}): ${visible.length} of its records are visible, ${missing.length} are missing`,
      at: transaction.endedAt,
      topic: first.invoke.topic,
      proc: first.invoke.proc,
      weight: visible.length + missing.length,
      ...(place !== undefined && { partition: place.partition, offset: place.offset }),
    })
  }
}

function judge({ state }: Transaction, visible: number, missing: number): string | undefined {
  if (state === 'aborted') return visible > 0 ? 'aborted-visible' : undefined
  if (missing === 0) return undefined
  if (visible > 0) return 'torn-transaction'
  return state === 'committed' ? 'committed-invisible' : undefined
}

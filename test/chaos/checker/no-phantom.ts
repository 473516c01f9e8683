import type { IndexedHistory } from './index-history.ts'
import type { Effect } from './run-data.ts'
import type { Report } from './violation.ts'

/**
 * I2: nothing is there of what was never written: neither an effect, nor a dead letter, nor a record of a value whose send failed for
 * certain or whose transaction was aborted. What was in doubt may go either way.
 */
export function noPhantom(history: IndexedHistory, report: Report): void {
  for (const { effects, expected } of history.groups) {
    for (const effect of effects) {
      if (expected.topics.includes(effect.topic)) judgeEffect(history, effect, report)
    }
  }
  for (const [value, produce] of history.byValue) {
    const [record] = history.written.get(value) ?? []
    if (record === undefined || produce.outcome !== 'fail') continue
    report({
      type: 'failed-send-written',
      text: `the send of ${value} failed for certain, and it stands at ${record.topic}[${record.partition}]@${record.offset}`,
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
      ...(produce.end !== undefined && { at: produce.end.t, proc: produce.end.proc }),
    })
  }
  for (const group of history.groups) judgeDeadLetters(history, group, report)
}

function judgeEffect({ byValue, written, logs, isRuledOut }: IndexedHistory, effect: Effect, report: Report): void {
  const { value, group, topic, partition, offset, proc } = effect
  const produce = byValue.get(value)
  const place = { group, topic, partition, offset, proc, ...(produce?.end !== undefined && { at: produce.end.t }) }
  if (produce !== undefined && isRuledOut(produce)) {
    const why = produce.outcome === 'fail' ? 'its send failed for certain' : 'its transaction was aborted'
    report({ type: 'effect-of-unwritten', text: `${group} has an effect of ${value}, and ${why}`, weight: 2, ...place })
  } else if (produce === undefined && !written.has(value)) {
    report({ type: 'effect-of-unknown', text: `${group} has an effect of ${value}, which nobody sent`, ...place })
  }
  const log = logs.get(`${topic}[${partition}]`)
  const at = log?.placeOf(offset)
  const found = at === undefined ? undefined : log!.records[at]!.value
  if (found !== undefined && found !== value) {
    report({ type: 'misread', text: `${group} has an effect of ${value} at an offset where ${found} stands`, ...place })
  }
}

function judgeDeadLetters(history: IndexedHistory, group: IndexedHistory['groups'][number], report: Report): void {
  const { byValue, isRuledOut, logs } = history
  for (const [origin, letters] of group.deadLetters) {
    const [, topic, partition, offset] = /^(.*)\[(\d+)\]@(-?\d+)$/.exec(origin) ?? []
    const log = logs.get(`${topic}[${partition}]`)
    const at = offset === undefined ? undefined : log?.placeOf(BigInt(offset))
    const value = at === undefined ? undefined : log!.records[at]!.value
    const produce = value === undefined || value === null ? undefined : byValue.get(value)
    if (produce === undefined || !isRuledOut(produce)) continue
    const letter = letters[0]!
    report({
      type: 'dead-letter-of-unwritten',
      text: `${group.expected.group} parked ${value} of ${origin}, which was never written for certain`,
      group: group.expected.group,
      topic: letter.topic,
      partition: letter.partition,
      offset: letter.offset,
      ...(produce.end !== undefined && { at: produce.end.t }),
    })
  }
}

import { formatPosition } from '../../../src/record/index.ts'
import type { IndexedHistory } from './index-history.ts'
import type { Report } from './violation.ts'

/**
 * I10, as far as producers go: an idempotent producer writes a value once, whatever it had to repeat, and where it says.
 */
export function writtenOnce({ written, byValue, logs }: IndexedHistory, report: Report): void {
  for (const [value, records] of written) {
    const produce = byValue.get(value)
    if (produce === undefined || records.length <= produce.times) continue
    const { topic, partition, offset } = records.at(-1)!
    report({
      type: 'written-twice',
      text: `${produce.invoke.proc} sent ${value} ${produce.times} times (${produce.outcome}); it stands at ${records.map(formatPosition).join(', ')}`,
      topic,
      partition,
      offset,
      at: produce.end?.t ?? produce.invoke.t,
      proc: produce.invoke.proc,
      weight: records.length,
    })
  }
  for (const { end } of byValue.values()) {
    if (end?.f !== 'produce-ok') continue
    const log = logs.get(`${end.topic}[${end.partition}]`)
    const at = log?.placeOf(end.offset)
    const found = at === undefined ? undefined : log!.records[at]!.value
    if (found === undefined || found === end.value) continue
    report({
      type: 'written-elsewhere',
      text: `${end.value} was acknowledged at ${formatPosition(end)}, where ${found} stands`,
      topic: end.topic,
      partition: end.partition,
      offset: end.offset,
      at: end.t,
      proc: end.proc,
    })
  }
}

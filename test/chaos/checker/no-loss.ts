import { formatPosition } from '../../../src/record/index.ts'
import { deadLettersOf, type GroupStory, type IndexedHistory, type PartitionStory } from './index-history.ts'
import { floorOf, nameOf } from './outcomes.ts'
import type { SourceRecord } from './run-data.ts'
import type { Report } from './violation.ts'

/**
 * I1: every record that a reader can see, and every acknowledged value, has an effect, a dead letter, or was skipped by a rule. A value
 * that is no longer on the log and that nobody handled was lost by the broker, or acknowledged without being written: that is told apart.
 */
export function noLoss(history: IndexedHistory, report: Report): void {
  for (const group of history.groups) {
    const declared = new Map(Array.from(group.partitions, ([name, story]) => [name, declaredOutcomes(story)]))
    judgeVisible(history, group, declared, report)
    judgeAcknowledged(history, group, declared, report)
  }
}

/** Was the record at an offset skipped by a rule or a policy, or handled where no database is asked, or below the first position? */
type Declared = (offset: bigint) => boolean

function declaredOutcomes(story: PartitionStory): Declared {
  const { expected } = story.group
  const floor = floorOf(story)
  const ended = new Set<bigint>()
  const jumps: { readonly from: bigint; readonly to: bigint }[] = []
  for (const event of story.events) {
    if (event.f === 'reset' && expected.mayReset === true) jumps.push(event)
    if (event.f !== 'handler-end') continue
    if (event.result === 'skipped' || (event.result === 'ok' && expected.effects === 'none')) ended.add(event.offset)
  }
  return (offset) => offset < floor || ended.has(offset) || jumps.some(({ from, to }) => from <= offset && offset < to)
}

function judgeVisible(
  { byValue }: IndexedHistory,
  group: GroupStory,
  declared: ReadonlyMap<string, Declared>,
  report: Report,
): void {
  const done = new Set<string>()
  const missing: SourceRecord[] = []
  for (const [name, { log }] of group.partitions) {
    const isDeclared = declared.get(name)!
    for (const record of log.records) {
      const { value, offset } = record
      const handled = value !== null && group.effectsByValue.has(value)
      if (!handled && !isDeclared(offset) && deadLettersOf(group, record).length === 0) missing.push(record)
      else if (value !== null) done.add(value)
    }
  }
  for (const record of missing) {
    const { value, topic, partition, offset } = record
    if (value !== null && done.has(value)) continue // written twice, and handled where it stands first
    const end = value === null ? undefined : byValue.get(value)?.end
    report({
      type: 'lost',
      text: `${nameOf(record)} is on the log; ${group.expected.group} neither handled it nor parked nor skipped it`,
      group: group.expected.group,
      topic,
      partition,
      offset,
      weight: end?.f === 'produce-ok' ? 2 : 1,
      ...(end !== undefined && { at: end.t }),
    })
  }
}

/** What the log does not show any more may have been handled before retention took it. */
function judgeAcknowledged(
  { byValue, written, isAcknowledged }: IndexedHistory,
  group: GroupStory,
  declared: ReadonlyMap<string, Declared>,
  report: Report,
): void {
  for (const produce of byValue.values()) {
    const { end } = produce
    if (end?.f !== 'produce-ok' || !isAcknowledged(produce)) continue
    const { value, topic, partition, offset, t, proc } = end
    if (!group.expected.topics.includes(topic) || written.has(value) || group.effectsByValue.has(value)) continue
    if (group.deadLetters.has(formatPosition(end)) || declared.get(`${topic}[${partition}]`)?.(offset) === true)
      continue
    report({
      type: 'acknowledged-not-on-log',
      text: `${value} was acknowledged at ${formatPosition(end)}; no reader finds it, and ${group.expected.group} has no effect of it`,
      at: t,
      group: group.expected.group,
      topic,
      partition,
      offset,
      proc,
      weight: 3,
    })
  }
}

import { deadLettersOf, type GroupStory, type IndexedHistory, type PartitionStory } from './index-history.ts'
import { floorOf, nameOf } from './outcomes.ts'
import type { SourceRecord } from './run-data.ts'
import type { Report } from './violation.ts'

/**
 * I1: every record that a reader can see, and every acknowledged value, has an effect, a dead letter, or was skipped by a rule. A value
 * that is not on the log either was lost by the broker, or was never written: that is told apart.
 */
export function noLoss(history: IndexedHistory, report: Report): void {
  for (const group of history.groups) {
    const seen = valuesWithOutcome(history, group, report)
    for (const produce of history.byValue.values()) {
      const { value, topic } = produce.invoke
      if (!group.expected.topics.includes(topic) || !history.isAcknowledged(produce)) continue
      if (seen.has(value) || history.written.has(value) || group.effectsByValue.has(value)) continue
      const end = produce.end?.f === 'produce-ok' ? produce.end : undefined
      if (end !== undefined && wasDeclaredSkipped(group, end.topic, end.partition, end.offset)) continue
      report({
        type: 'acknowledged-not-on-log',
        text: `${value} was acknowledged at ${topic}[${end?.partition}]@${end?.offset}; no reader finds it, and ${group.expected.group} has no effect of it`,
        weight: 3,
        ...where(group, end ?? { topic }),
        ...(end !== undefined && { at: end.t, proc: end.proc }),
      })
    }
  }
}

/** Reports the visible records that nobody took care of; gives the values that somebody did. */
function valuesWithOutcome(history: IndexedHistory, group: GroupStory, report: Report): ReadonlySet<string> {
  const { expected } = group
  const done = new Set<string>()
  const missing: SourceRecord[] = []
  for (const story of group.partitions.values()) {
    const floor = floorOf(story)
    const declared = declaredOutcomes(story)
    story.log.records.forEach((record, place) => {
      const handled = record.value !== null && group.effectsByValue.has(record.value)
      if (handled || record.offset < floor || declared.has(place) || deadLettersOf(group, record).length > 0) {
        if (record.value !== null) done.add(record.value)
      } else missing.push(record)
    })
  }
  for (const record of missing) {
    if (record.value !== null && done.has(record.value)) continue // written twice, and handled where it stands first
    const end = record.value === null ? undefined : history.byValue.get(record.value)?.end
    report({
      type: 'lost',
      text: `${nameOf(record)} is on the log; ${expected.group} neither handled it nor parked nor skipped it`,
      weight: end?.f === 'produce-ok' ? 2 : 1,
      ...where(group, record),
      ...(end !== undefined && { at: end.t }),
    })
  }
  return done
}

/** Places of the log that were skipped by a rule or by a policy, and handled ones where no database is asked. */
function declaredOutcomes({ events, log, group: { expected } }: PartitionStory): ReadonlySet<number> {
  const places = new Set<number>()
  for (const event of events) {
    if (event.f === 'handler-end') {
      const believed = event.result === 'skipped' || (event.result === 'ok' && expected.effects === 'none')
      const place = believed ? log.placeOf(event.offset) : undefined
      if (place !== undefined) places.add(place)
    } else if (event.f === 'reset' && expected.mayReset === true) {
      const end = log.placeAtOrAbove(event.to)
      for (let place = log.placeAtOrAbove(event.from); place < end; place += 1) places.add(place)
    }
  }
  return places
}

/** Skipped before retention deleted it, so that it has no place on the log. */
function wasDeclaredSkipped(group: GroupStory, topic: string, partition: number, offset: bigint): boolean {
  const story = group.partitions.get(`${topic}[${partition}]`)
  if (story === undefined) return false
  if (offset < floorOf(story)) return true
  return story.events.some(
    (event) =>
      (event.f === 'reset' && group.expected.mayReset === true && event.from <= offset && offset < event.to) ||
      (event.f === 'handler-end' &&
        event.offset === offset &&
        (event.result === 'skipped' || (event.result === 'ok' && group.expected.effects === 'none'))),
  )
}

function where(
  { expected }: GroupStory,
  { topic, partition, offset }: { readonly topic: string; readonly partition?: number; readonly offset?: bigint },
): { group: string; topic: string; partition?: number; offset?: bigint } {
  return {
    group: expected.group,
    topic,
    ...(partition !== undefined && { partition }),
    ...(offset !== undefined && { offset }),
  }
}

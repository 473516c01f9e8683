import { formatPartition } from '../../../src/record/index.ts'
import type { EventOf } from '../history/index.ts'
import type { GroupStory, IndexedHistory, PartitionEvent, PartitionStory } from './index-history.ts'
import type { Report } from './violation.ts'

/**
 * I6: first effects of a key ascend by offset, no two calls of a key overlap in one process, and what one process sends with one key
 * stands in the order of its calls. Between processes calls may overlap: one of them is a zombie, whose effect is not the first.
 */
export function keyOrder(history: IndexedHistory, report: Report): void {
  judgeSends(history, report)
  for (const group of history.groups) {
    if (group.expected.ordering === 'none') continue
    judgeEffects(group, report)
    for (const story of group.partitions.values()) judgeCalls(story, report)
  }
}

function judgeSends({ byValue }: IndexedHistory, report: Report): void {
  const last = new Map<string, EventOf<'produce-ok'>>()
  for (const { invoke, end, times } of byValue.values()) {
    if (end?.f !== 'produce-ok' || invoke.key === null || times > 1) continue
    const lane = `${invoke.proc} ${formatPartition(end)} ${invoke.key}`
    const before = last.get(lane)
    if (before !== undefined && end.offset < before.offset) {
      report({
        type: 'sends-reordered',
        text: `${invoke.proc} sent ${before.value} before ${end.value} with key ${invoke.key}; they stand at ${before.offset} and ${end.offset}`,
        at: end.t,
        topic: end.topic,
        partition: end.partition,
        offset: end.offset,
        proc: end.proc,
      })
    } else last.set(lane, end)
  }
}

interface FirstEffect {
  readonly value: string
  readonly key: string | null
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly proc: string
}

function judgeEffects(group: GroupStory, report: Report): void {
  const { expected } = group
  const seen = new Set<string>()
  const last = new Map<string, FirstEffect>()
  for (const effect of expected.effects === 'none' ? effectsOfJournal(group) : group.effects) {
    if (seen.has(effect.value)) continue
    seen.add(effect.value)
    const lane = `${formatPartition(effect)} ${laneKey(expected.ordering, effect.key)}`
    const before = last.get(lane)
    if (before === undefined || before.offset < effect.offset) {
      last.set(lane, effect)
      continue
    }
    report({
      type: 'effects-reordered',
      text: `${expected.group}: the first effect of ${effect.value} (${effect.offset}) came after that of ${before.value} (${before.offset}), key ${effect.key}`,
      group: expected.group,
      topic: effect.topic,
      partition: effect.partition,
      offset: effect.offset,
      proc: effect.proc,
      ...momentOf(group, effect),
    })
  }
}

function effectsOfJournal({ partitions }: GroupStory): FirstEffect[] {
  return Array.from(partitions.values()).flatMap(({ events }) =>
    events.filter((event) => event.f === 'handler-end').filter(({ result }) => result === 'ok'),
  )
}

function momentOf({ partitions }: GroupStory, effect: FirstEffect): { at?: number } {
  const end = partitions
    .get(formatPartition(effect))
    ?.events.find((event) => event.f === 'handler-end' && event.offset === effect.offset && event.proc === effect.proc)
  return end === undefined ? {} : { at: end.t }
}

/** Lanes outlive epochs: a call that is still running keeps its key closed when the partition comes back. */
function judgeCalls({ group, topic, partition, events }: PartitionStory, report: Report): void {
  const { expected } = group
  if (expected.handlesBatches === true) return
  const running = new Map<string, EventOf<'handler-begin'>>()
  for (const event of events) {
    if (!isCall(event)) continue
    const lane = `${event.proc} ${laneKey(expected.ordering, event.key)}`
    const open = running.get(lane)
    if (event.f === 'handler-end') {
      if (open?.offset === event.offset) running.delete(lane)
      continue
    }
    if (open !== undefined) {
      report({
        type: 'calls-overlap',
        text: `${event.proc} began ${event.value} (${event.offset}) while ${open.value} (${open.offset}) of key ${event.key} was running`,
        at: event.t,
        group: expected.group,
        topic,
        partition,
        offset: event.offset,
        proc: event.proc,
      })
    }
    running.set(lane, event as EventOf<'handler-begin'>)
  }
}

function isCall(event: PartitionEvent): event is EventOf<'handler-begin'> | EventOf<'handler-end'> {
  return event.f === 'handler-begin' || event.f === 'handler-end'
}

/** A key's own lane, that of all records without a key, or the partition's only one. */
function laneKey(ordering: 'key' | 'partition' | 'none', key: string | null): string {
  if (ordering === 'partition') return 'whole'
  return key === null ? 'null' : `k:${key}`
}

import { DEAD_LETTER_HEADERS } from '../../../src/dlq/index.ts'
import { formatPartition, formatPosition } from '../../../src/record/index.ts'
import type { EventOf, HistoryEvent } from '../history/index.ts'
import type { GroupExpectation } from './expectations.ts'
import { pairCommits, type PairedCommit } from './commits.ts'
import { outcomePlaces } from './outcomes.ts'
import { partitionLog, type PartitionLog } from './partition-log.ts'
import { followProcesses, type ProcessStory } from './process-stories.ts'
import { pairProduces, type Produces } from './produces.ts'
import type { DeadLetterRecord, Effect, HeaderEntry, RunData, SourceRecord } from './run-data.ts'

/** An event of one partition, as one group sees it. */
export type PartitionEvent = Extract<HistoryEvent, { readonly group: string; readonly partition: number }>

/** What one group did with one partition. */
export interface PartitionStory {
  readonly group: GroupStory
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  /** In time; a place in this list is the order of everything that concerns the partition. */
  readonly events: PartitionEvent[]
  /** By their invocations. */
  commits: readonly PairedCommit[]
  /** For each place of the log, the place in {@link events} of what gave the record its outcome; Infinity without one. */
  outcomes: readonly number[]
}

/** What one group did. */
export interface GroupStory {
  readonly expected: GroupExpectation
  readonly partitions: ReadonlyMap<string, PartitionStory>
  /** In the database's order. */
  readonly effects: readonly Effect[]
  readonly effectsByValue: ReadonlyMap<string, readonly Effect[]>
  /** When a dedupe store has acknowledged marks, and which process asked for them; by value. */
  readonly marks: ReadonlyMap<string, readonly EventOf<'store'>[]>
  /** By the position that they name as their origin. */
  readonly deadLetters: ReadonlyMap<string, readonly DeadLetterRecord[]>
}

/** A run, arranged so that every check walks over it once. */
export interface IndexedHistory extends RunData, Produces {
  readonly logs: ReadonlyMap<string, PartitionLog>
  /** Where a value stands on the log: once, if all is well. */
  readonly written: ReadonlyMap<string, readonly SourceRecord[]>
  readonly groups: readonly GroupStory[]
  readonly processes: ReadonlyMap<string, ProcessStory>
  /** When the last fault ended; the beginning of time without faults. */
  readonly lastHealAt: number
  /** No fault and no killed process: nothing may happen twice. */
  readonly isCalm: boolean
}

/** Arranges a run. */
export function indexHistory(data: RunData): IndexedHistory {
  const logs = groupedBy(data.log, formatPartition)
  const partitionLogs = new Map(Array.from(logs, ([name, records]) => [name, partitionLog(records)]))
  const marks = data.events.filter(
    (event) => event.f === 'store' && event.operation === 'complete' && event.result === 'ok',
  )
  const groups = data.expectations.groups.map((expected) =>
    groupStory(expected, data, partitionLogs, marks as EventOf<'store'>[]),
  )
  fillPartitions(groups, data.events, partitionLogs)
  for (const { partitions } of groups) {
    for (const story of partitions.values()) {
      story.commits = pairCommits(story.events)
      story.outcomes = outcomePlaces(story)
    }
  }
  const processes = followProcesses(data.events)
  const faults = data.events.filter((event) => event.f === 'nemesis')
  return {
    ...data,
    ...pairProduces(data.events),
    logs: partitionLogs,
    written: groupedBy(
      data.log.filter((record) => record.value !== null),
      ({ value }) => value!,
    ),
    groups,
    processes,
    lastHealAt: faults.reduce((last, { t }) => Math.max(last, t), data.events[0]?.t ?? 0),
    isCalm: faults.length === 0 && Array.from(processes.values()).every(({ signal }) => signal === null),
  }
}

/** The text of one of a dead letter's headers. */
export function headerTextOf(headers: readonly HeaderEntry[], name: string): string | undefined {
  const value = headers.findLast(([candidate]) => candidate === name)?.[1]
  return value === undefined || value === null ? undefined : Buffer.from(value).toString('utf8')
}

function groupStory(
  expected: GroupExpectation,
  { effects, deadLetters }: RunData,
  logs: ReadonlyMap<string, PartitionLog>,
  marks: readonly EventOf<'store'>[],
): GroupStory {
  const own = effects.filter((effect) => effect.group === expected.group).toSorted((a, b) => a.seq - b.seq)
  const parked = deadLetters.filter(
    ({ headers }) => headerTextOf(headers, DEAD_LETTER_HEADERS.group) === expected.group,
  )
  const story: GroupStory = {
    expected,
    partitions: new Map(),
    effects: own,
    effectsByValue: groupedBy(own, ({ value }) => value),
    marks: groupedBy(
      marks.filter((mark) => mark.group === expected.group),
      ({ value }) => value,
    ),
    deadLetters: groupedBy(parked, originOf),
  }
  for (const [name, { records }] of logs) {
    const { topic, partition } = records[0]!
    if (expected.topics.includes(topic)) storyOf(story, name, topic, partition, logs)
  }
  return story
}

/** `orders[3]@17`, or what stands there of it. */
function originOf({ headers }: DeadLetterRecord): string {
  const { topic, partition, offset } = DEAD_LETTER_HEADERS
  const text = (name: string): string => headerTextOf(headers, name) ?? '?'
  return `${text(topic)}[${text(partition)}]@${text(offset)}`
}

function fillPartitions(
  groups: readonly GroupStory[],
  events: readonly HistoryEvent[],
  logs: ReadonlyMap<string, PartitionLog>,
): void {
  const byName = new Map(groups.map((group) => [group.expected.group, group]))
  for (const event of events) {
    if (!('partition' in event) || !('group' in event)) continue
    const group = byName.get(event.group)
    if (group !== undefined) {
      storyOf(group, formatPartition(event), event.topic, event.partition, logs).events.push(event)
    }
  }
}

function storyOf(
  group: GroupStory,
  name: string,
  topic: string,
  partition: number,
  logs: ReadonlyMap<string, PartitionLog>,
): PartitionStory {
  const partitions = group.partitions as Map<string, PartitionStory>
  let story = partitions.get(name)
  if (story === undefined) {
    story = { group, topic, partition, log: logs.get(name) ?? partitionLog([]), events: [], commits: [], outcomes: [] }
    partitions.set(name, story)
  }
  return story
}

/** The dead letters that a group wrote for a record. */
export function deadLettersOf(group: GroupStory, record: SourceRecord): readonly DeadLetterRecord[] {
  return group.deadLetters.get(formatPosition(record)) ?? []
}

function groupedBy<T>(items: readonly T[], nameOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const name = nameOf(item)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [item])
    else group.push(item)
  }
  return groups
}

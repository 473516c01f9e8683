import { DEAD_LETTER_HEADERS } from '../../../src/dlq/index.ts'
import { formatPartition, formatPosition } from '../../../src/record/index.ts'
import { digestOfHeaders } from './digest.ts'
import {
  deadLettersOf,
  headerTextOf,
  type GroupStory,
  type IndexedHistory,
  type PartitionStory,
} from './index-history.ts'
import { nameOf } from './outcomes.ts'
import type { DeadLetterRecord, HeaderEntry, SourceRecord } from './run-data.ts'
import type { Report, Violation } from './violation.ts'

/**
 * I9: a dead letter is its record, byte for byte, and says where that stood; what was acknowledged as parked is there; one process gives
 * a record one outcome, and without faults nobody gives it two. (That a record is parked before its offset moves is I3: the `park` event
 * is its outcome.) After a crash a record may be handled and parked: the process died between the letter and its mark.
 */
export function deadLetters(history: IndexedHistory, report: Report): void {
  for (const group of history.groups) {
    for (const story of group.partitions.values()) {
      judgeParks(story, report)
      for (const record of story.log.records) {
        const letters = deadLettersOf(group, record)
        if (letters.length === 0) continue
        for (const letter of letters) judgeCopy(group, record, letter, report)
        judgeOutcomes(history, story, record, letters, report)
      }
    }
    judgeOrigins(group, report)
  }
  judgeGroups(history, report)
}

/** What a process acknowledged as parked, and how often within one assignment. */
function judgeParks({ group, topic, partition, events, log }: PartitionStory, report: Report): void {
  const parked = new Set<string>()
  const assigned = new Map<string, number>()
  for (const event of events) {
    if (event.f === 'assign') assigned.set(event.proc, event.epoch)
    if (event.f !== 'park') continue
    const place = {
      at: event.t,
      group: group.expected.group,
      topic,
      partition,
      offset: event.offset,
      proc: event.proc,
    }
    const name = `${event.proc} ${assigned.get(event.proc)} ${event.offset}`
    if (parked.has(name)) {
      report({ type: 'parked-twice', text: `${event.proc} parked ${event.offset} twice in one epoch`, ...place })
    }
    parked.add(name)
    const letters = group.deadLetters.get(formatPosition({ topic, partition, offset: event.offset })) ?? []
    if (letters.some((letter) => letter.topic === event.deadLetterTopic)) continue
    const at = log.placeOf(event.offset)
    report({
      type: 'dead-letter-missing',
      text: `${event.proc} parked ${at === undefined ? event.offset : nameOf(log.records[at]!)}; ${event.deadLetterTopic} has no letter of it`,
      weight: 3,
      ...place,
    })
  }
}

/** Key, value, own headers, timestamp. Trace headers may follow the record's own. */
function judgeCopy(group: GroupStory, record: SourceRecord, letter: DeadLetterRecord, report: Report): void {
  const changed: string[] = []
  if (letter.key !== record.key) changed.push('key')
  if (letter.value !== record.valueDigest) changed.push('value')
  if (!beginsWith(letter.headers, record.headersDigest)) changed.push('headers')
  if (headerTextOf(letter.headers, DEAD_LETTER_HEADERS.timestamp) !== String(record.timestamp))
    changed.push('timestamp')
  if (changed.length === 0) return
  report({
    type: 'dead-letter-changed',
    text: `the dead letter of ${nameOf(record)} at ${formatPosition(letter)} has another ${changed.join(', ')}`,
    weight: changed.length,
    ...whereOf(group, record),
  })
}

function beginsWith(headers: readonly HeaderEntry[], digest: string): boolean {
  const ours = headers.findIndex(([name]) => OUR_NAMES.has(name))
  for (let length = ours === -1 ? headers.length : ours; length >= 0; length -= 1) {
    if (digestOfHeaders(headers.slice(0, length)) === digest) return true
  }
  return false
}

const OUR_NAMES: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER_HEADERS))

/** Handled and parked, or parked more than once, where no crash explains it. */
function judgeOutcomes(
  { isCalm }: IndexedHistory,
  story: PartitionStory,
  record: SourceRecord,
  letters: readonly DeadLetterRecord[],
  report: Report,
): void {
  const { group, events } = story
  if (letters.length > 1 && isCalm) {
    report({
      type: 'parked-twice',
      text: `${nameOf(record)} has ${letters.length} dead letters, and nothing had failed`,
      ...whereOf(group, record),
    })
  }
  const effects = record.value === null ? [] : (group.effectsByValue.get(record.value) ?? [])
  const here = effects.filter((effect) => effect.offset === record.offset)
  if (here.length === 0) return
  const park = events.find(
    (event) => event.f === 'park' && event.offset === record.offset && here.some(({ proc }) => proc === event.proc),
  )
  if (park === undefined && !isCalm) return
  report({
    type: 'handled-and-parked',
    text: `${park?.proc ?? group.expected.group} handled ${nameOf(record)} and parked it as well`,
    ...whereOf(group, record),
    ...(park !== undefined && { at: park.t, proc: park.proc }),
  })
}

/** Letters that do not say where they come from, and those of a dead letter topic's own records. */
function judgeOrigins({ deadLetters: byOrigin, expected }: GroupStory, report: Report): void {
  for (const [origin, letters] of byOrigin) {
    for (const letter of letters) {
      const place = { group: expected.group, topic: letter.topic, partition: letter.partition, offset: letter.offset }
      if (!/^.+\[\d+\]@\d+$/.test(origin) || origin.startsWith('?')) {
        const text = `the dead letter at ${formatPosition(letter)} names ${origin} as its origin`
        report({ type: 'dead-letter-without-origin', text, ...place })
      } else if (origin.startsWith(`${letter.topic}[`)) {
        const text = `${formatPartition(letter)} has a dead letter of its own record ${origin}`
        report({ type: 'dead-letter-loop', text, weight: 2, ...place })
      }
    }
  }
}

/** A letter of no group that we know can be given back to nobody. */
function judgeGroups({ deadLetters: letters, groups }: IndexedHistory, report: Report): void {
  const known = new Set(groups.map(({ expected }) => expected.group))
  for (const { topic, partition, offset, headers } of letters) {
    const group = headerTextOf(headers, DEAD_LETTER_HEADERS.group)
    if (group !== undefined && known.has(group)) continue
    const text = `the dead letter at ${formatPosition({ topic, partition, offset })} names ${group ?? 'no group'} as its group`
    report({ type: 'dead-letter-of-nobody', text, topic, partition, offset })
  }
}

function whereOf(
  { expected }: GroupStory,
  { topic, partition, offset }: SourceRecord,
): Omit<Violation, 'type' | 'text'> {
  return { group: expected.group, topic, partition, offset }
}

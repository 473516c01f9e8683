import type { IndexedHistory, PartitionStory } from './index-history.ts'
import { nameOf } from './outcomes.ts'
import type { Report } from './violation.ts'

/**
 * I15: within one epoch the driver delivers every visible record in its turn, from the epoch's start on. It may go back and deliver again;
 * it may not jump over one. A reset moves it.
 */
export function noSkip({ groups }: IndexedHistory, report: Report): void {
  for (const { partitions } of groups) {
    for (const story of partitions.values()) judgePartition(story, report)
  }
}

interface Reading {
  readonly epoch: number
  /** The place of the log that comes next; undefined while the start is not known. */
  next: number | undefined
}

function judgePartition({ group, topic, partition, log, events }: PartitionStory, report: Report): void {
  const readings = new Map<string, Reading>()
  for (const event of events) {
    if (event.f === 'assign') {
      const next = event.start === undefined ? undefined : log.placeAtOrAbove(event.start)
      readings.set(event.proc, { epoch: event.epoch, next })
    } else if (event.f === 'reset') {
      const reading = readings.get(event.proc)
      if (reading !== undefined) reading.next = log.placeAtOrAbove(event.to)
    } else if (event.f === 'deliver') {
      const reading = readings.get(event.proc)
      if (reading === undefined || (event.epoch !== undefined && event.epoch !== reading.epoch)) continue // that is I5
      const place = log.placeAtOrAbove(event.offset)
      if (reading.next !== undefined && place > reading.next) {
        report({
          type: 'jumped-over',
          text: `${event.proc} was given ${event.offset} in epoch ${reading.epoch}, and ${nameOf(log.records[reading.next]!)} had not been`,
          at: event.t,
          group: group.expected.group,
          topic,
          partition,
          offset: log.records[reading.next]!.offset,
          proc: event.proc,
          weight: place - reading.next,
        })
      }
      const after = log.placeAtOrAbove(event.offset + 1n)
      reading.next = Math.max(reading.next ?? after, after)
    }
  }
}

import type { HistoryEvent } from '../history/index.ts'
import type { Violation } from './violation.ts'

const OFFSETS_AROUND = 5n
const MICROSECONDS_AROUND = 2_000_000

/** As many lines as fit on a screen; those nearest in time. */
const MOST_EVENTS = 40

/**
 * What happened around a violation: who wrote, read and committed within five offsets and two seconds, who took or lost the partition,
 * and which faults there were.
 */
export function eventsAround(events: readonly HistoryEvent[], violation: Violation): readonly HistoryEvent[] {
  const { at } = violation
  if (at === undefined) return []
  const around: HistoryEvent[] = []
  const bound = at + MICROSECONDS_AROUND
  for (let place = firstAt(events, at - MICROSECONDS_AROUND); place < events.length; place += 1) {
    const event = events[place]!
    if (event.t > bound) break
    if (concerns(event, violation)) around.push(event)
  }
  if (around.length <= MOST_EVENTS) return around
  const nearest = around.toSorted((a, b) => Math.abs(a.t - at) - Math.abs(b.t - at)).slice(0, MOST_EVENTS)
  return nearest.toSorted((a, b) => a.t - b.t)
}

function firstAt(events: readonly HistoryEvent[], t: number): number {
  let [low, high] = [0, events.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (events[middle]!.t < t) low = middle + 1
    else high = middle
  }
  return low
}

function concerns(event: HistoryEvent, { topic, partition, offset, group, proc }: Violation): boolean {
  if (event.f === 'nemesis') return true
  if (event.f === 'start' || event.f === 'stop') return proc === undefined || (event.of ?? event.proc) === proc
  if (topic === undefined) return proc !== undefined && event.proc === proc && event.f !== 'deliver'
  if (!('partition' in event) || event.topic !== topic || event.partition !== partition) return false
  if ('group' in event && group !== undefined && event.group !== group) return false
  if (!('offset' in event) || offset === undefined) return true
  return event.offset >= offset - OFFSETS_AROUND && event.offset <= offset + OFFSETS_AROUND
}

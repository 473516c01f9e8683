import type { SourceRecord } from './run-data.ts'
import type { GroupStory, PartitionEvent, PartitionStory } from './index-history.ts'

/** Nobody gave it an outcome. */
export const NEVER: number = Infinity

/**
 * When each record of a partition got its outcome: for each place of the log, the place in the story's events of the first event that
 * settles it, or {@link NEVER}.
 */
export function outcomePlaces(story: PartitionStory): readonly number[] {
  const places = Array.from({ length: story.log.records.length }, () => NEVER)
  story.events.forEach((event, place) => {
    if (event.f === 'reset') return void settleSkipped(story, event, place, places)
    if (!settles(story.group, event)) return
    const at = story.log.placeOf(event.offset)
    if (at !== undefined && place < places[at]!) places[at] = place
  })
  return places
}

/** The first position of a group that does not begin at the beginning: what is below is not its business. */
export function floorOf(story: PartitionStory): bigint {
  if (story.group.expected.startsAt !== 'later') return 0n
  for (const event of story.events) {
    if (event.f === 'assign' && event.start !== undefined) return event.start
    if (event.f === 'commit-invoke') return event.offset
  }
  return 0n
}

type Settling = Extract<PartitionEvent, { readonly f: 'handler-end' | 'handled' | 'dedupe' | 'park' }>

/** A handler that says `ok` has handled nothing where the database has no row of it. */
function settles(group: GroupStory, event: PartitionEvent): event is Settling {
  switch (event.f) {
    case 'park':
    case 'handled':
      return true
    case 'dedupe':
      return event.hit
    case 'handler-end':
      // Within an inbox its transaction may yet be rolled back.
      if (event.result === 'ok') return group.expected.inbox !== true && hasEffect(group, event.value)
      return event.result === 'skipped' || event.result === 'duplicate'
    default:
      return false
  }
}

/** What a policy jumps over has an outcome: somebody wanted it skipped. */
function settleSkipped(
  { group, log }: PartitionStory,
  { from, to }: Extract<PartitionEvent, { readonly f: 'reset' }>,
  place: number,
  places: number[],
): void {
  if (group.expected.mayReset !== true) return
  const end = log.placeAtOrAbove(to)
  for (let at = log.placeAtOrAbove(from); at < end; at += 1) places[at] = Math.min(places[at]!, place)
}

function hasEffect({ expected, effectsByValue }: GroupStory, value: string): boolean {
  return expected.effects === 'none' || effectsByValue.has(value)
}

/** Its name in a sentence: the run's own value, never a payload. */
export function nameOf({ value, topic, partition, offset }: SourceRecord): string {
  return `${value ?? 'a record'} (${topic}[${partition}]@${offset})`
}

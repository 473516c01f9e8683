import { formatPosition, positionOf } from '../record/index.ts'
import type { Delivery } from './delivery.ts'
import type { ClaimPlace, ClaimResult } from './offset-claims.ts'
import { goOn, waitInLane } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Moves the offset of a record that is handled at most once. Held, its handler is to be called now: a crash from here on loses it, and it never
 * comes again. Commits that fail make it wait, and what is behind it; nothing is handled meanwhile.
 */
export async function claimOffset(delivery: Delivery, pipeline: Pipeline): Promise<ClaimResult> {
  const { epoch, claim } = pipeline
  const { record, ticket } = delivery
  const result = await claim(
    { epoch, offset: record.offset, ticket, inOrder: delivery.batch !== null },
    placeOf(delivery, pipeline),
  )
  if (delivery.wait !== null) goOn(delivery, pipeline)
  delivery.claimed = result === 'held'
  if (result === 'abandoned') reportAbandoned(delivery, pipeline)
  return result
}

/** What is in a batch keeps its place: all that is before it is in the same batch, and waits for no place. */
function placeOf(delivery: Delivery, pipeline: Pipeline): ClaimPlace {
  const { dispatcher, subscription, epoch } = pipeline
  return {
    leave() {
      const reason = 'messages before it are still to begin, and a commit has no room to tell it from them'
      if (delivery.batch === null) waitInLane(delivery, pipeline, { reason, unhealthy: false })
    },
    async take() {
      if (delivery.batch !== null || delivery.hasPlace) return
      try {
        await dispatcher.enter(subscription.bound, epoch)
        delivery.hasPlace = true
      } catch {
        // it has stopped, and nothing has moved
      }
    },
  }
}

/** Its offset has moved, or may have, and its handler did not come to an end. */
export function reportAbandoned({ record }: Delivery, { events, logger }: Pipeline): void {
  logger.warn(
    { record: formatPosition(record) },
    'at most once: its offset has moved, or may have, and it was not handled, or not to the end; it may never come again',
  )
  events.emit('abandoned', { position: positionOf(record) })
}

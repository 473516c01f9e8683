import { formatPosition, positionOf } from '../record/index.ts'
import type { Delivery } from './delivery.ts'
import type { ClaimResult } from './offset-claims.ts'
import { goOn, waitInLane } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Moves the offset of a record that is handled at most once. Held, its handler is to be called now: a crash from here on loses it, and it never
 * comes again. Commits that fail make it wait, and what is behind it; nothing is handled meanwhile.
 */
export async function claimOffset(delivery: Delivery, pipeline: Pipeline): Promise<ClaimResult> {
  const { epoch, claim } = pipeline
  const { record, ticket } = delivery
  const onWait = (): void => {
    const reason = 'messages before it are still to begin, and a commit has no room to tell it from them'
    waitInLane(delivery, pipeline, { reason, unhealthy: false })
  }
  const result = await claim({ epoch, offset: record.offset, ticket }, onWait)
  if (delivery.wait !== null) goOn(delivery, pipeline)
  delivery.claimed = result === 'held'
  if (result === 'abandoned') reportAbandoned(delivery, pipeline)
  return result
}

/** Its offset has moved, and its handler did not come to an end. */
export function reportAbandoned({ record }: Delivery, { events, logger }: Pipeline): void {
  logger.warn(
    { record: formatPosition(record) },
    'at most once: its offset has moved, and it was not handled, or not to the end; it will not come again',
  )
  events.emit('abandoned', { position: positionOf(record) })
}

import type { Timer } from '../clock/index.ts'
import { createBatchGathering } from './batch-gathering.ts'
import type { Delivery } from './delivery.ts'
import type { Lanes } from './lanes.ts'
import type { Pipeline } from './pipeline.ts'
import type { Subscription } from './subscription.ts'

/** What of a partition begins together. */
export interface BatchSource {
  /**
   * Takes the next batch out of its lanes, of which something may begin. Empty while it is worth waiting for more: then it calls back when
   * it is not any more.
   *
   * @param held - how many records the partition holds
   * @param isFull - nothing further is fetched, so that nothing is worth waiting for
   */
  take(held: number, isFull: boolean): readonly Delivery[]
  close(): void
}

/** Makes a {@link BatchSource}. `onDue` is called when a batch has waited for long enough. */
export function createBatchSource(
  { handler, maxSize, maxWaitMs }: NonNullable<Subscription['batch']>,
  lanes: Lanes<Delivery>,
  pipeline: Pipeline,
  onDue: () => void,
): BatchSource {
  const { clock } = pipeline.runtime
  const gathering = createBatchGathering(handler, pipeline)
  // Two of one message would wait for each other: one for the lease that the other holds, and that one for its place in the order.
  const isGuarded = pipeline.subscription.dedupe !== null
  let timer: Timer | null = null

  return {
    take(held, isFull) {
      const leftMs = held >= maxSize || isFull ? 0 : lanes.first()!.takenAt + maxWaitMs - clock.monotonic()
      if (leftMs > 0) {
        timer ??= clock.after(leftMs, () => {
          timer = null
          onDue()
        })
        return []
      }
      const members: Delivery[] = []
      const ids = new Set<string>()
      while (members.length < maxSize && lanes.ready()) {
        if (isGuarded) {
          const { messageId } = lanes.first()!
          if (ids.has(messageId)) break
          ids.add(messageId)
        }
        members.push(lanes.take()!)
      }
      gathering.begin(members)
      for (const delivery of members) delivery.batch = gathering
      return members
    },
    close() {
      timer?.cancel()
    },
  }
}

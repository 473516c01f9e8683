import type { Incident } from './incidents.ts'

/** An event that a service which handles at most once has not handled. */
export interface Missed {
  readonly service: string
  readonly what: string
  /** What was done to the process that had claimed it; null: nobody knows, and that is a fault. */
  readonly cause: Incident['kind'] | null
}

/** Where something stands, or was done. */
interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** Work by some process at some place. */
interface Work extends Place {
  readonly service: string
  readonly process: number
}

/**
 * Says why events were missed. A process that was killed or stopped explains what it had claimed and not done: that lies on the seam between its
 * own work on the partition and the next one's, and is no more than it may have in handlers.
 */
export function explainMissed(
  missing: ReadonlyArray<Place & { readonly service: string; readonly what: string }>,
  incidents: readonly Incident[],
  effects: readonly Work[],
): readonly Missed[] {
  const left = new Map(incidents.map((incident) => [incident, incident.mostInHandlers]))
  return missing.map(({ service, what, ...place }) => {
    const onPartition = effects.filter(
      (each) => each.service === service && each.topic === place.topic && each.partition === place.partition,
    )
    const isOnSeam = ({ process }: Incident): boolean => {
      const behind = onPartition.filter(({ offset }) => offset > place.offset)
      const next = new Set(behind.map((each) => each.process))
      const before = onPartition.filter(({ offset }) => offset < place.offset)
      return !next.has(process) && before.every((each) => !next.has(each.process))
    }
    const cause = incidents.find((each) => each.service === service && left.get(each)! > 0 && isOnSeam(each))
    if (cause !== undefined) left.set(cause, left.get(cause)! - 1)
    return { service, what, cause: cause?.kind ?? null }
  })
}

/**
 * Lanes in which something is under way that an epoch has left behind: a handler that did not end in the time to drain, or that has timed
 * out. Whoever gets the partition next in this process keeps them closed, since two records of one key must not be in handlers at once.
 */
export interface StillOpen {
  add(partition: string, lanes: ReadonlyMap<string, Promise<unknown>>): void
  of(partition: string): ReadonlyMap<string, Promise<unknown>>
}

/** Makes a {@link StillOpen} of nothing. */
export function createStillOpen(): StillOpen {
  const partitions = new Map<string, Map<string, Promise<unknown>>>()
  return {
    add(partition, lanes) {
      for (const [lane, ended] of lanes) {
        const open = partitions.get(partition) ?? new Map<string, Promise<unknown>>()
        partitions.set(partition, open)
        const both = Promise.allSettled([open.get(lane), ended]).then(() => {
          if (open.get(lane) === both) open.delete(lane)
          if (open.size === 0 && partitions.get(partition) === open) partitions.delete(partition)
        })
        open.set(lane, both)
      }
    },
    of: (partition) => partitions.get(partition) ?? NONE,
  }
}

const NONE: ReadonlyMap<string, Promise<unknown>> = new Map()

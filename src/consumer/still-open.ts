/**
 * Lanes in which something is under way that an epoch has left behind: a handler that did not end in the time to drain, or that has timed
 * out. Whoever gets the partition next in this process keeps them closed, since two records of one key must not be in handlers at once.
 */
export interface StillOpen {
  add(partition: string, lanes: ReadonlyMap<string, Promise<unknown>>): void
  of(partition: string): readonly OpenLane[]
}

/** A lane in which something is under way. */
export interface OpenLane {
  readonly lane: string
  /**
   * Calls once when nothing of it is under way any more, at once when nothing is; the function that it returns calls that off. A handler
   * that never ends would keep every epoch in memory that has ever waited for it.
   */
  onEnd(listener: () => void): () => void
}

/** Makes a {@link StillOpen} of nothing. */
export function createStillOpen(): StillOpen {
  const partitions = new Map<string, Map<string, Open>>()

  const leave = (partition: string, lane: string, open: Open): void => {
    if (--open.underWay > 0) return
    const lanes = partitions.get(partition)
    lanes?.delete(lane)
    if (lanes?.size === 0) partitions.delete(partition)
    for (const listener of open.listeners) listener()
    open.listeners.clear()
  }

  return {
    add(partition, ended) {
      if (ended.size === 0) return
      const lanes = partitions.get(partition) ?? new Map<string, Open>()
      partitions.set(partition, lanes)
      for (const [lane, end] of ended) {
        const open = lanes.get(lane) ?? { underWay: 0, listeners: new Set() }
        lanes.set(lane, open)
        open.underWay++
        const left = (): void => leave(partition, lane, open)
        end.then(left, left)
      }
    },
    of: (partition) => Array.from(partitions.get(partition) ?? [], openLane),
  }
}

interface Open {
  underWay: number
  readonly listeners: Set<() => void>
}

function openLane([lane, open]: readonly [string, Open]): OpenLane {
  return {
    lane,
    onEnd(listener) {
      if (open.underWay === 0) {
        listener()
        return () => {}
      }
      const own = (): void => listener()
      open.listeners.add(own)
      return () => void open.listeners.delete(own)
    },
  }
}

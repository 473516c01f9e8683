import type { Deadline } from './deadline.ts'
import { LATE } from './deadline.ts'

/** One call after another for each partition, whatever the caller does; calls for different partitions run side by side. */
export interface PartitionLanes {
  /**
   * Runs `call` once all earlier ones of the partition are over; `LATE` when the deadline came first, and it never runs.
   *
   * @param until - what keeps the lane closed after a call that ended so; undefined for nothing
   */
  run<T>(
    partition: string,
    deadline: Deadline,
    call: () => Promise<T>,
    until: (result: T) => Promise<void> | undefined,
  ): Promise<T | typeof LATE>
}

/** Makes lanes. A lane costs memory only while it is busy. */
export function createPartitionLanes(): PartitionLanes {
  const ends = new Map<string, Promise<void>>()
  return {
    async run(partition, deadline, call, until) {
      const before = ends.get(partition)
      let open = (): void => {}
      const mine = new Promise<void>((resolve) => (open = resolve))
      const end = before === undefined ? mine : before.then(() => mine)
      ends.set(partition, end)
      const leave = (): void => {
        open()
        if (ends.get(partition) !== end) return
        // Late behind an earlier call, the lane is not free yet though this one is over.
        if (before === undefined) ends.delete(partition)
        else void end.then(() => ends.get(partition) === end && ends.delete(partition))
      }

      let closedUntil: Promise<void> | undefined
      try {
        if (before !== undefined && (await deadline.race(before)) === LATE) return LATE
        const result = await call()
        closedUntil = until(result)
        return result
      } finally {
        if (closedUntil === undefined) leave()
        else void closedUntil.then(leave)
      }
    },
  }
}

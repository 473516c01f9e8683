import type { PartitionEvent } from './index-history.ts'

/** Who holds a partition, as each process sees it for itself. */
export interface Owners {
  /** Notes an assignment or its end. */
  follow(event: PartitionEvent, place: number): void
  /** The open epoch of a process, and the place of its assignment. */
  of(proc: string): Holding | undefined
  /** Has the partition gone, or been given to somebody else since, whether the process has heard of it or not? */
  isZombie(proc: string): boolean
}

export interface Holding {
  readonly epoch: number
  readonly since: number
}

/** Follows who holds one partition. The end of another epoch than the open one changes nothing. */
export function createOwners(): Owners {
  const holdings = new Map<string, Holding>()
  let latest: string | undefined
  return {
    follow(event, place) {
      if (event.f === 'assign') {
        holdings.set(event.proc, { epoch: event.epoch, since: place })
        latest = event.proc
      }
      const ends = event.f === 'revoke' || event.f === 'lost'
      if (ends && holdings.get(event.proc)?.epoch === event.epoch) holdings.delete(event.proc)
    },
    of: (proc) => holdings.get(proc),
    isZombie: (proc) => !holdings.has(proc) || latest !== proc,
  }
}

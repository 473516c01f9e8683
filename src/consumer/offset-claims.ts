import { decodeFinishedRanges } from './finished-ranges.ts'
import type { Epoch } from './epoch.ts'

/**
 * What became of a claim. `held`: the broker has the offset, and the record is this process's to handle, once. `none`: nothing was committed, the
 * record comes again. `abandoned`: the partition went while it was being committed, so nobody may ever handle it.
 */
export type ClaimResult = 'held' | 'none' | 'abandoned'

/** Offsets that move before their records are handled: delivery at most once. */
export interface OffsetClaims {
  /**
   * Lets the offset of a record move. Resolves when a commit that covers it is acknowledged, or the epoch has ended before that. One that
   * could not be told from its neighbours in a commit waits for those below it first: `onWait` is called then, and nothing moves meanwhile.
   */
  claim(record: ClaimedRecord, onWait: () => void): Promise<ClaimResult>
  /** Is there one whose commit is wanted now? */
  areUrgent(): boolean
  /** What was finished may have made room for those that wait. */
  moved(epoch: Epoch): void
  /** The broker has taken this offset and this text for an epoch. */
  acknowledged(epoch: Epoch, offset: bigint, metadata: string): void
}

/** A record to be claimed. */
export interface ClaimedRecord {
  readonly epoch: Epoch
  readonly offset: bigint
  readonly ticket: number
}

/**
 * Finished ranges above a watermark that are sure to fit the text of a commit, with a thousand partitions in one request: what does not fit is
 * cut, and a record above the cut would be handled by the next owner, too.
 */
const MOST_RANGES = 16

/** Makes {@link OffsetClaims}. `onClaimed` is called when the offset of one may be committed. */
export function createOffsetClaims(onClaimed: (epoch: Epoch) => void): OffsetClaims {
  const open = new Map<Epoch, Set<OpenClaim>>() // their offsets may move, and no commit has said that they have
  const queues = new Map<Epoch, Map<bigint, WaitingClaim>>()
  let releasing = false

  const admit = (record: ClaimedRecord): Promise<ClaimResult> => {
    const { epoch, offset, ticket } = record
    epoch.tracker!.finish(ticket)
    return new Promise((resolve) => {
      const settle = (result: ClaimResult): void => {
        stopListening()
        claims.delete(claim)
        if (claims.size === 0) open.delete(epoch)
        resolve(result)
      }
      const claim: OpenClaim = { offset, hold: () => settle('held') }
      const claims = open.get(epoch) ?? new Set()
      open.set(epoch, claims.add(claim))
      const stopListening = epoch.onAbort(() => settle('abandoned'))
      onClaimed(epoch)
    })
  }

  const wait = (record: ClaimedRecord): Promise<ClaimResult> => {
    const { epoch, offset } = record
    return new Promise((resolve) => {
      const leave = (): void => {
        stopListening()
        queue.delete(offset)
        if (queue.size === 0) queues.delete(epoch)
      }
      const waiting: WaitingClaim = {
        proceed() {
          leave()
          void admit(record).then(resolve)
        },
      }
      const queue = queues.get(epoch) ?? new Map<bigint, WaitingClaim>()
      queues.set(epoch, queue.set(offset, waiting))
      const stopListening = epoch.onStop(() => {
        leave()
        resolve('none')
      })
    })
  }

  /** Lets go on who can: the lowest of all always, the others in the order in which they came. */
  const release = (epoch: Epoch): void => {
    const queue = queues.get(epoch)
    if (queue === undefined || releasing) return
    releasing = true // who is let go comes here itself
    while (queue.size > 0) {
      const [oldest] = queue.values()
      const next = queue.get(epoch.tracker!.watermark()) ?? (hasRoom(epoch) ? oldest : undefined)
      if (next === undefined) break
      next.proceed()
    }
    releasing = false
  }

  return {
    claim(record, onWait) {
      const { epoch, offset } = record
      if (epoch.stopped) return Promise.resolve('none')
      // The lowest record without an outcome never waits: so whoever does, waits for something that goes on.
      if (offset === epoch.tracker!.watermark() || hasRoom(epoch)) {
        const admitted = admit(record)
        release(epoch)
        return admitted
      }
      onWait()
      return wait(record)
    },
    areUrgent: () => open.size > 0,
    moved: release,
    acknowledged(epoch, committed, metadata) {
      const claims = open.get(epoch)
      if (claims === undefined) return
      let ranges: ReturnType<typeof decodeFinishedRanges> | null = null
      for (const { offset, hold } of claims) {
        if (offset >= committed) ranges ??= decodeFinishedRanges(committed, metadata)
        if (offset < committed || ranges?.some(({ first, last }) => first <= offset && offset <= last)) hold()
      }
    },
  }
}

function hasRoom({ tracker }: Epoch): boolean {
  let ranges = 0
  for (const _ of tracker!.finishedRanges()) if (++ranges >= MOST_RANGES) return false
  return true
}

interface OpenClaim {
  readonly offset: bigint
  hold(): void
}

interface WaitingClaim {
  proceed(): void
}

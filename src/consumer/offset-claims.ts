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
   * could not be told from its neighbours in a commit waits for those below it first, without its place, and nothing of it moves meanwhile.
   */
  claim(record: ClaimedRecord, place: ClaimPlace): Promise<ClaimResult>
  /** Is there one whose commit is wanted now? */
  areUrgent(): boolean
  /** What was finished may have made room for those that wait. */
  moved(epoch: Epoch): void
  /** The broker has taken this offset and this text for an epoch. */
  acknowledged(epoch: Epoch, offset: bigint, metadata: string): void
  /**
   * Commits have no text any more: what is claimed above a watermark, and was not acknowledged, is claimed no longer. It waits for those below it, as
   * what comes later does: else the commit that passes them all would put more at risk than there are places.
   */
  textRefused(): void
  /** Were claims of it given up before their commit was acknowledged? Nothing more is to be committed then, or nobody would handle them. */
  hasGivenUp(epoch: Epoch): boolean
}

/** A record to be claimed. */
export interface ClaimedRecord {
  readonly epoch: Epoch
  readonly offset: bigint
  readonly ticket: number
  /** Only when all below it have moved: of messages that are called together none may go without those before it. */
  readonly inOrder: boolean
}

/** The place in which a claimed record will be handled: with one for each that is claimed, a crash loses no more than there are places. */
export interface ClaimPlace {
  /** Others go first. */
  leave(): void
  /** Resolves when it has one again, or the epoch has stopped. */
  take(): Promise<void>
}

/**
 * Finished ranges above a watermark that are sure to fit the text of a commit, with a thousand partitions in one request: what does not fit is
 * cut, and a record above the cut would be handled by the next owner, too.
 */
const MOST_RANGES = 16

/**
 * Makes {@link OffsetClaims}.
 *
 * @param onClaimed - called when the offset of one may be committed
 * @param hasText - can a commit say what is finished above its offset?
 */
export function createOffsetClaims(onClaimed: (epoch: Epoch) => void, hasText: () => boolean): OffsetClaims {
  const open = new Map<Epoch, Set<OpenClaim>>() // their offsets may move, and no commit has said that they have
  const queues = new Map<Epoch, Map<bigint, () => void>>() // who waits for room, by offset, and how to have it look again
  const givenUp = new WeakSet<Epoch>()

  /** A ticket in place of a result: the claim was withdrawn, and this is the record's from now on. */
  const admit = (epoch: Epoch, offset: bigint, ticket: number): Promise<ClaimResult | number> => {
    epoch.tracker!.finish(ticket)
    return new Promise((resolve) => {
      const settle = (result: ClaimResult | number): void => {
        stopListening()
        claims.delete(claim)
        if (claims.size === 0) open.delete(epoch)
        if (result === 'abandoned') givenUp.add(epoch)
        resolve(result)
      }
      const claim: OpenClaim = {
        offset,
        hold: () => settle('held'),
        withdraw: () => settle(epoch.tracker!.reopen(offset)),
      }
      const claims = open.get(epoch) ?? new Set()
      open.set(epoch, claims.add(claim))
      const stopListening = epoch.onAbort(() => settle('abandoned'))
      onClaimed(epoch)
    })
  }

  const untilWorthALook = ({ epoch, offset }: ClaimedRecord): Promise<void> =>
    new Promise((resolve) => {
      const leave = (): void => {
        stopListening()
        queue.delete(offset)
        if (queue.size === 0) queues.delete(epoch)
        resolve()
      }
      const queue = queues.get(epoch) ?? new Map<bigint, () => void>()
      queues.set(epoch, queue.set(offset, leave))
      const stopListening = epoch.onStop(leave)
    })

  /** Lets look again who may go on: the lowest of all always, and of the others the one that has waited for longest. */
  const release = (epoch: Epoch): void => {
    const queue = queues.get(epoch)
    if (queue === undefined) return
    queue.get(epoch.tracker!.watermark())?.()
    if (!hasRoom(epoch)) return
    const [longest] = queue.values()
    longest?.()
  }

  const hasRoom = (epoch: Epoch): boolean => hasText() && hasFewRanges(epoch)

  return {
    async claim(record, place) {
      const { epoch, offset, inOrder } = record
      let { ticket } = record
      while (!epoch.stopped) {
        // The lowest record without an outcome never waits: so whoever does, waits for something that goes on.
        if (offset === epoch.tracker!.watermark() || (!inOrder && hasRoom(epoch))) {
          const admitted = admit(epoch, offset, ticket)
          release(epoch)
          const result = await admitted
          if (typeof result !== 'number') return result
          ticket = result
          continue
        }
        place.leave()
        await untilWorthALook(record)
        await place.take()
      }
      return 'none'
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
    textRefused() {
      for (const [epoch, claims] of open) {
        const watermark = epoch.tracker!.watermark() // what is above it moves no watermark when it opens again
        for (const { offset, withdraw } of claims) if (offset >= watermark) withdraw()
      }
    },
    hasGivenUp: (epoch) => givenUp.has(epoch),
  }
}

function hasFewRanges({ tracker }: Epoch): boolean {
  let ranges = 0
  for (const _ of tracker!.finishedRanges()) if (++ranges >= MOST_RANGES) return false
  return true
}

interface OpenClaim {
  readonly offset: bigint
  hold(): void
  withdraw(): void
}

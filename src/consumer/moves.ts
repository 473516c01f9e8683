import type { Runtime } from '../clock/index.ts'
import { describeForLog, HoldfastError } from '../errors/index.ts'
import type { Events } from '../events/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition, formatPosition } from '../record/index.ts'
import type { Committer } from './commit.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import type { Epoch } from './epoch.ts'
import { createEpoch } from './epoch.ts'
import type { Owned } from './owned-partition.ts'
import { standingOf } from './owned-partition.ts'

/** Goes on elsewhere in partitions that are owned and stay: what was read up to now ends in an epoch of its own. */
export interface Moves {
  /**
   * Lets what is under way of these partitions end, and goes on at the positions, committed first. One call after the other.
   *
   * @throws HOLDFAST_EPOCH_LOST when one of them is not owned, or goes meanwhile.
   */
  seek(positions: readonly Position[]): Promise<void>
  /** A partition whose position is gone goes on elsewhere, as `onOutOfRange` says. What is held of it is worked off all the same. */
  passOver(target: Owned, position: Position, log: { readonly earliest: bigint; readonly latest: bigint }): void
}

/** What {@link Moves} are made of. */
export interface MovesOptions {
  readonly runtime: Runtime
  readonly logger: Logger
  readonly events: Events<ConsumerEvents>
  readonly committer: Committer
  readonly onOutOfRange: NonNullable<ConsumerOptions['onOutOfRange']>
  /** Tells the driver where to go on. */
  readonly seekDriver: (position: Position) => void
  readonly owned: ReadonlyMap<string, Owned>
  /** Nothing goes on any more. */
  readonly isClosing: () => boolean
  readonly drain: (going: readonly Owned[], reason: HoldfastError) => Promise<void>
  readonly end: (each: Owned, reason: HoldfastError) => void
  readonly own: (each: Pick<Owned, 'epoch' | 'preparation' | 'stay'>) => Owned
  readonly open: (mine: Owned, committed: Promise<unknown>) => void
}

/** Makes {@link Moves}. */
export function createMoves(options: MovesOptions): Moves {
  const { runtime, logger, events, committer, owned, isClosing, drain, end, own, open } = options

  // One after the other: the last one that was asked for is the one that stands.
  let moves: Promise<void> = Promise.resolve()
  const inTurn = (move: () => Promise<void>): Promise<void> => {
    const moved = moves.then(move)
    moves = moved.catch(() => {})
    return moved
  }

  const seek = async (positions: readonly Position[]): Promise<void> => {
    positions.forEach(ownedAt)
    await inTurn(() => moveTo(positions))
    events.emit('seeked', { positions })
    logger.info({ positions: positions.map(formatPosition) }, 'reading goes on elsewhere')
  }

  const moveTo = async (positions: readonly Position[]): Promise<void> => {
    const reason = new HoldfastError('HOLDFAST_EPOCH_LOST', 'somebody has called seek')
    const targets = positions.map((position) => ({ position, before: ownedAt(position) }))
    try {
      const before = targets.map((target) => target.before)
      await drain(before, reason)
      await runtime.failpoint('seek:drained') // a crash here, and seek was never called
      before.forEach(stillHere)
    } catch (error) {
      for (const { before } of targets) goOnWhereItWas(before, reason)
      throw error
    }
    // All at once, so that no batch comes in between: the loop before would take it, and nobody would have it.
    const moved = targets.map(({ position, before }) => {
      const epoch = createEpoch(position, before.epoch.number, null)
      epoch.begin(position.offset)
      return replace(before, epoch, reason)
    })
    await Promise.all(moved.map(({ committed }) => committed))
    for (const { mine } of moved) mine.moving = false
    const lost = moved.find(({ mine: { epoch } }) => epoch.dead && epoch.committed === null)
    if (lost !== undefined) throw notOwned(lost.mine.epoch)
  }

  /** It was drained for a seek that comes to nothing. What it held and had not begun is fetched again. */
  const goOnWhereItWas = (before: Owned, reason: HoldfastError): void => {
    if (before.epoch.dead || before.going !== null || isClosing()) return
    const { number, committed, tracker } = before.epoch
    const epoch = createEpoch(before.epoch, number, committed)
    epoch.begin(tracker!.watermark(), [...tracker!.finishedRanges()])
    replace(before, epoch, reason)
  }

  const replace = (
    before: Owned,
    epoch: Epoch,
    reason: HoldfastError,
  ): { readonly mine: Owned; readonly committed: Promise<void> } => {
    const { preparation, stay } = before
    end(before, reason)
    const mine = own({ epoch, preparation, stay })
    options.seekDriver(standingOf(epoch))
    mine.moving = epoch.committed === null
    const committed = mine.moving ? committer.rewind(epoch) : Promise.resolve()
    open(mine, committed)
    if (!mine.moving) committer.moved(epoch)
    return { mine, committed }
  }

  const ownedAt = (position: TopicPartition): Owned => {
    const found = owned.get(formatPartition(position))
    if (found === undefined || found.loop === null) throw notOwned(position)
    return stillHere(found)
  }

  const stillHere = (each: Owned): Owned => {
    if (each.epoch.dead || each.going !== null || isClosing()) throw notOwned(each.epoch)
    return each
  }

  const passOver = (target: Owned, position: Position, log: { earliest: bigint; latest: bigint }): void => {
    const { earliest, latest } = log
    const continuesAt = options.onOutOfRange === 'earliest' ? earliest : latest
    const place = { record: formatPosition(position), earliest, latest, continuesAt }
    logger.error(
      { ...place, code: 'HOLDFAST_OFFSET_OUT_OF_RANGE' },
      'a position is not on the log; it goes on elsewhere',
    )
    events.emit('out-of-range', { position, earliest, latest, continuesAt })
    if (continuesAt >= position.offset) {
      target.epoch.tracker!.cover(continuesAt) // nothing comes from there: as after a compaction
      options.seekDriver({ ...position, offset: continuesAt })
      committer.moved(target.epoch)
      return
    }
    // The log was cut or made anew: what comes has offsets that were had before, and nothing of them may stand beside the old ones.
    const goBack = async (): Promise<void> => {
      target.onEmpty = null
      await inTurn(async () => {
        if (owned.get(target.epoch.name) === target) await moveTo([{ ...position, offset: continuesAt }])
      }).catch((error: unknown) => {
        logger.warn({ ...place, error: describeForLog(error) }, 'the partition went before it could go on')
      })
    }
    const reason = `offset ${position.offset} is not on the log; it goes on at ${continuesAt} once what is held is worked off`
    target.epoch.addWait({ reason, unhealthy: true, gates: false }) // ends with the epoch
    if (target.loop!.records() === 0) void goBack()
    else target.onEmpty = () => void goBack()
  }

  return { seek, passOver }
}

function notOwned(partition: TopicPartition): HoldfastError {
  const message = `${formatPartition(partition)} is not owned by this member, or is being given up: nothing was changed`
  return new HoldfastError('HOLDFAST_EPOCH_LOST', message)
}

import type { Runtime } from '../clock/index.ts'
import type { AssignedPartition, Capabilities, ConsumerCallbacks, InboundBatch } from '../driver/index.ts'
import { describeError, HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition, formatPosition } from '../record/index.ts'
import { retry } from '../retry/index.ts'
import type { BackPressure, BufferBound } from './back-pressure.ts'
import type { Committer } from './commit.ts'
import { COMMIT_BUDGET_MS } from './consumer-settings.ts'
import type { Epoch } from './epoch.ts'
import { createEpoch } from './epoch.ts'
import type { Events } from './events.ts'
import type { PartitionLoop, PartitionLoopOptions } from './partition-loop.ts'
import type { ConsumerOptions } from './consumer.ts'
import { decodeFinishedRanges } from './finished-ranges.ts'
import type { FinishedRange, OffsetTracker } from './offset-tracker.ts'
import { holdPartition, OUTAGE } from './partition-pause.ts'
import type { Preparation, RebalanceHooks } from './rebalance-hooks.ts'
import { PREPARED } from './rebalance-hooks.ts'
import { createStillOpen } from './still-open.ts'
import { within } from './within.ts'

/** The partitions of this process, each with its epoch and its loop. Hears from the driver, and never throws at it. */
export interface Assignment extends Omit<ConsumerCallbacks, 'onCrash'> {
  /** What is owned, for health. */
  readonly owned: readonly OwnedPartition[]
  /** Since when partitions are gone and no assignment has followed, on the monotonic clock; null when one has. */
  readonly unassignedSince: number | null
  /** The membership is gone: nothing may be committed. */
  loseAll(reason: HoldfastError): void
  /** Begins nothing more, for good and at once: a partition that still comes is refused. */
  stop(): void
  /** After a {@link Assignment.stop}: lets handlers end within `drainTimeoutMs`, commits what is finished, and gives everything up. */
  closeAll(reason: HoldfastError): Promise<void>
  /** The topics that are held have changed. */
  heldChanged(topics: readonly string[]): void
  /**
   * Lets what is under way of these partitions end, and goes on at the positions, committed first. One call after the other.
   *
   * @throws HOLDFAST_EPOCH_LOST when one of them is not owned, or goes meanwhile.
   */
  seek(positions: readonly Position[]): Promise<void>
}

/** One partition that is owned. */
export interface OwnedPartition {
  readonly epoch: Epoch
  /** Null until the start position is known. */
  readonly loop: PartitionLoop | null
  /** Its position is not on the log any more; null when it is. */
  readonly outOfRange: string | null
  /** What the user loads for it. */
  readonly preparation: Preparation
}

/** What an {@link Assignment} is made of. */
export interface AssignmentOptions {
  readonly runtime: Runtime
  readonly logger: Logger
  readonly events: Events
  readonly committer: Committer
  readonly backPressure: BackPressure
  readonly revoke: Capabilities['revoke']
  readonly drainTimeoutMs: number
  /** Topics of which nothing is dispatched. */
  readonly heldTopics: ReadonlySet<string>
  readonly hooks: RebalanceHooks
  readonly onOutOfRange: NonNullable<ConsumerOptions['onOutOfRange']>
  /** Tells the driver where to go on. */
  readonly seekDriver: (position: Position) => void
  readonly startPositions: (partitions: readonly AssignedPartition[]) => Promise<readonly Position[]>
  readonly createLoop: (
    epoch: Epoch,
    options: Pick<PartitionLoopOptions, 'ready' | 'openLanes' | 'held' | 'onBuffered' | 'isFull'>,
  ) => PartitionLoop
  /** A partition for which the group had no commit has one. */
  readonly onStartCommitted: (partition: TopicPartition) => void
  /** An assignment is in place. */
  readonly onReady: () => void
}

interface Owned extends OwnedPartition {
  loop: PartitionLoop | null
  bound: BufferBound | null
  outOfRange: string | null
  preparation: Preparation
  /** Those that came together and are still here; aborts when the last of them goes. */
  readonly stay: Stay
  /** It drains for good; null while it stays. */
  going: Promise<void> | null
  /** A seek has not been committed yet. */
  moving: boolean
  /** Called when all that is held is worked off; null when nobody asks. */
  onEmpty: (() => void) | null
}

interface Stay {
  readonly here: Set<string>
  readonly over: AbortController
}

/** Makes an {@link Assignment} of nothing. */
export function createAssignment(options: AssignmentOptions): Assignment {
  const { runtime, logger, events, committer, backPressure, drainTimeoutMs, heldTopics, hooks } = options
  const owned = new Map<string, Owned>()
  const stillOpen = createStillOpen()
  let unassignedSince: number | null = null
  let closing = false

  const assign = async (partitions: readonly AssignedPartition[]): Promise<readonly Position[]> => {
    unassignedSince = null
    await runtime.failpoint('assign:begin')
    if (closing) return []
    const carried = new Map<string, OffsetTracker>()
    const stay: Stay = { here: new Set(), over: new AbortController() }
    const fresh = partitions.map((partition) => {
      const epoch = createEpoch(partition, partition.epoch, partition.committed?.offset ?? null)
      const before = owned.get(epoch.name)
      if (before?.epoch.tracker && !before.moving) carried.set(epoch.name, before.epoch.tracker)
      if (before !== undefined) close(before, replaced(epoch))
      stay.here.add(epoch.name)
      own({ epoch, preparation: PREPARED, stay })
      return epoch
    })
    const starts = fresh.length === 0 ? [] : await findStarts(partitions, stay.over.signal)
    await runtime.failpoint('assign:positions')
    if (closing) return []

    const started: Epoch[] = []
    for (const start of starts) {
      const epoch = owned.get(formatPartition(start))?.epoch
      if (epoch === undefined || !fresh.includes(epoch) || epoch.dead) continue
      // This process knows what it has finished; a commit that did not get through in time changes nothing.
      const known = carried.get(epoch.name)
      if (known !== undefined && known.watermark >= start.offset)
        epoch.begin(known.watermark, [...known.finishedRanges()])
      else epoch.begin(start.offset, finishedBefore(partitions, start))
      started.push(epoch)
    }
    // Without this a group at `latest` that crashes before its first commit would start at a later `latest`.
    const unknown = started.filter(({ committed }) => committed === null)
    const startsCommitted = committer.commitStarts(unknown).then(() => {
      for (const epoch of unknown) if (epoch.committed !== null) options.onStartCommitted(epoch)
    })
    const preparation = hooks.assigned(started.map(positionOf), stay.over.signal)
    for (const epoch of started) {
      const mine = owned.get(epoch.name)!
      mine.preparation = preparation
      open(mine, epoch.committed === null ? startsCommitted : Promise.resolve())
      if (epoch.committed !== null) committer.moved(epoch)
    }
    events.emit('assigned', { partitions: partitions.map(partitionOf) })
    logger.info({ partitions: partitions.map(formatPartition) }, 'partitions assigned')
    options.onReady()
    return started.map(positionOf)
  }

  const own = (each: Pick<Owned, 'epoch' | 'preparation' | 'stay'>): Owned => {
    const mine = { ...each, loop: null, bound: null, outOfRange: null, going: null, moving: false, onEmpty: null }
    owned.set(each.epoch.name, mine)
    return mine
  }

  const findStarts = async (
    partitions: readonly AssignedPartition[],
    signal: AbortSignal,
  ): Promise<readonly Position[]> => {
    let release: readonly (() => void)[] = []
    const found = await retry(() => options.startPositions(partitions), {
      policy: OUTAGE,
      signal,
      runtime,
      rule: () => ({ kind: 'wait' }),
      onWait: () => {
        if (release.length > 0) return
        const waiting = partitions.flatMap((partition) => owned.get(formatPartition(partition))?.epoch ?? [])
        release = waiting.map((epoch) => holdPartition(epoch, 'the cluster does not say where it starts'))
      },
    })
    for (const each of release) each()
    return found.kind === 'succeeded' ? found.value : []
  }

  const open = (mine: Owned, committed: Promise<unknown>): void => {
    const { epoch, preparation } = mine
    const loop = options.createLoop(epoch, {
      ready: Promise.all([committed, preparation.ended]).then(() => {}),
      openLanes: stillOpen.of(epoch.name),
      held: heldTopics.has(epoch.topic),
      onBuffered: () => {
        mine.bound?.check()
        if (loop.records === 0) mine.onEmpty?.()
      },
      isFull: () => mine.bound?.full ?? false,
    })
    mine.loop = loop
    mine.bound = backPressure.add(epoch, loop)
  }

  const close = (each: Owned, reason: HoldfastError): void => {
    leave(each)
    end(each, reason)
  }

  const leave = ({ epoch, stay }: Owned): void => {
    stay.here.delete(epoch.name)
    if (stay.here.size === 0) stay.over.abort(new Error('the partitions go'))
  }

  const die = ({ epoch, loop, bound }: Owned, reason: HoldfastError): void => {
    if (epoch.dead) return // it was lost while it drained
    if (loop !== null) stillOpen.add(epoch.name, loop.openLanes())
    epoch.end(reason)
    bound?.remove()
    loop?.discard()
  }

  const end = (each: Owned, reason: HoldfastError): void => {
    die(each, reason)
    if (owned.get(each.epoch.name) === each) owned.delete(each.epoch.name)
  }

  const stop = (): void => {
    closing = true
    for (const { epoch } of owned.values()) epoch.stop()
  }

  const drain = async (going: readonly Owned[], reason: HoldfastError): Promise<void> => {
    for (const { epoch } of going) epoch.stop()
    const idle = Promise.all(going.map(async ({ loop }) => loop?.idle()))
    if (await within(runtime.clock, drainTimeoutMs, idle)) return
    const partitions = going.map(({ epoch }) => epoch.name)
    logger.warn({ partitions, drainTimeoutMs }, 'handlers did not end in time; their signals abort')
    for (const { epoch } of going) epoch.abort(reason)
  }

  /** Once for each, though a close may come while the group takes partitions back. */
  const handOver = async (going: readonly Owned[], reason: HoldfastError): Promise<void> => {
    const begun = going.filter((each) => each.going === null)
    const drained = drainAndCommit(begun, reason)
    for (const each of begun) each.going = drained
    await Promise.all([drained, ...going.map((each) => each.going)])
  }

  const drainAndCommit = async (going: readonly Owned[], reason: HoldfastError): Promise<void> => {
    for (const each of going) leave(each)
    await drain(going, reason)
    await runtime.failpoint('revoke:drained')
    const epochs = going.map(({ epoch }) => epoch)
    await committer.flush(epochs, COMMIT_BUDGET_MS)
    await runtime.failpoint('revoke:committed') // a crash from here on repeats nothing
    // What was never loaded is not to be stored: it would overwrite what is good.
    const kept = going.filter(({ epoch, preparation }) => !epoch.dead && epoch.tracker && preparation.waitsFor === null)
    const stored = kept.map(({ epoch }) => positionOf(epoch))
    for (const each of going) die(each, reason) // what ends from here on is in none of them, and must not be passed over
    await hooks.revoked(stored)
  }

  const ofEpoch = (partitions: readonly TopicPartition[], number: number): readonly Owned[] =>
    partitions.flatMap((partition) => {
      const found = owned.get(formatPartition(partition))
      return found?.epoch.number === number ? [found] : []
    })

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
    if (before.epoch.dead || before.going !== null || closing) return
    const { number, committed, tracker } = before.epoch
    const epoch = createEpoch(before.epoch, number, committed)
    epoch.begin(tracker!.watermark, [...tracker!.finishedRanges()])
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
    options.seekDriver(positionOf(epoch))
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
    if (each.epoch.dead || each.going !== null || closing) throw notOwned(each.epoch)
    return each
  }

  /** A partition whose position is gone goes on elsewhere, as `onOutOfRange` says. What is held of it is worked off all the same. */
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
        logger.warn({ ...place, error: describeError(error) }, 'the partition went before it could go on')
      })
    }
    const reason = `offset ${position.offset} is not on the log; it goes on at ${continuesAt} once what is held is worked off`
    target.epoch.addWait({ reason, unhealthy: true, gates: false }) // ends with the epoch
    if (target.loop!.records === 0) void goBack()
    else target.onEmpty = () => void goBack()
  }

  return {
    get owned() {
      return [...owned.values()]
    },

    get unassignedSince() {
      return unassignedSince
    },

    onAssigned: assign,

    async onRevoked(partitions, number) {
      await runtime.failpoint('revoke:begin')
      const going = ofEpoch(partitions, number)
      const reason = takenAway(going)
      // After the fact there is nothing to drain for: a commit would be refused, and the new owner repeats what is unfinished.
      if (options.revoke === 'before') await handOver(going, reason)
      else hooks.lost(going.map(({ epoch }) => partitionOf(epoch)))
      for (const each of going) close(each, reason)
      unassignedSince ??= runtime.clock.monotonic()
      events.emit('revoked', { partitions: partitions.map(partitionOf) })
      logger.info({ partitions: partitions.map(formatPartition) }, 'partitions revoked')
    },

    onLost(partitions, number) {
      const going = ofEpoch(partitions, number)
      const reason = takenAway(going)
      for (const each of going) close(each, reason)
      hooks.lost(partitions.map(partitionOf))
      unassignedSince ??= runtime.clock.monotonic()
      events.emit('lost', { partitions: partitions.map(partitionOf) })
      logger.warn(
        { partitions: partitions.map(formatPartition) },
        'the membership was lost: what was not committed is handled again',
      )
    },

    onBatch(batch: InboundBatch) {
      const target = owned.get(formatPartition(batch))
      if (target === undefined || target.epoch.dead || target.epoch.number !== batch.epoch) return // of an assignment that is over
      if (target.loop === null) return
      const taken = target.loop.take(batch)
      if (taken === 0 || taken < batch.records.length) committer.moved(target.epoch) // the watermark moves without an outcome
    },

    onOutOfRange({ topic, partition, offset, epoch, earliest, latest }) {
      const [target] = ofEpoch([{ topic, partition }], epoch)
      if (target === undefined || target.epoch.dead) return
      if (options.onOutOfRange !== 'fail') {
        passOver(target, { topic, partition, offset }, { earliest, latest })
        return
      }
      const what =
        offset < earliest
          ? `${earliest - offset} offsets (${offset} to ${earliest - 1n}) are gone`
          : `the log ends at ${latest}, so it was cut or made anew`
      const reason = `offset ${offset} is not on the log: ${what}. Its commit is unchanged; seek to go on`
      target.outOfRange = reason
      logger.error(
        { partition: target.epoch.name, offset, earliest, latest, code: 'HOLDFAST_OFFSET_OUT_OF_RANGE' },
        reason,
      )
      events.emit('paused', { partition: { topic, partition }, reason })
    },

    loseAll(reason) {
      const going = [...owned.values()]
      for (const each of going) close(each, reason)
      hooks.lost(going.map(({ epoch }) => partitionOf(epoch)))
      unassignedSince = null // a stay in the group has ended: what follows is another
    },

    stop,

    async closeAll(reason) {
      stop()
      const going = [...owned.values()]
      await handOver(going, reason)
      for (const each of owned.values()) close(each, reason)
    },

    heldChanged(topics) {
      for (const { epoch, loop } of owned.values()) {
        if (!topics.includes(epoch.topic)) continue
        if (heldTopics.has(epoch.topic)) loop?.hold()
        else loop?.release()
      }
    },

    seek,
  }
}

function partitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

function positionOf(epoch: Epoch): Position {
  return { ...partitionOf(epoch), offset: epoch.tracker!.watermark }
}

/** What an earlier owner has finished above the offset that it committed. */
function finishedBefore(partitions: readonly AssignedPartition[], start: Position): readonly FinishedRange[] {
  const { committed } = partitions.find((each) => formatPartition(each) === formatPartition(start)) ?? {}
  return committed?.offset === start.offset ? decodeFinishedRanges(start.offset, committed.metadata) : []
}

function notOwned(partition: TopicPartition): HoldfastError {
  const message = `${formatPartition(partition)} is not owned by this member, or is being given up: nothing was changed`
  return new HoldfastError('HOLDFAST_EPOCH_LOST', message)
}

function takenAway(going: readonly OwnedPartition[]): HoldfastError {
  const names = going.map(({ epoch }) => epoch.name).join(', ')
  return new HoldfastError('HOLDFAST_EPOCH_LOST', `taken away from this process: ${names}`)
}

function replaced({ name }: Epoch): HoldfastError {
  return new HoldfastError('HOLDFAST_EPOCH_LOST', `${name}: the group has assigned it anew`)
}

import type { Runtime } from '../clock/index.ts'
import type { AssignedPartition, Capabilities, ConsumerCallbacks, InboundBatch } from '../driver/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Events } from '../events/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import { retry } from '../retry/index.ts'
import type { BackPressure } from './back-pressure.ts'
import type { Committer } from './commit.ts'
import { COMMIT_BUDGET_MS } from './consumer-settings.ts'
import type { Epoch } from './epoch.ts'
import { createEpoch } from './epoch.ts'
import { createMoves } from './moves.ts'
import type { Mutable } from './mutable.ts'
import type { Owned, OwnedPartition, Stay } from './owned-partition.ts'
import { partitionOf, standingOf } from './owned-partition.ts'
import type { PartitionLoop, PartitionLoopOptions } from './partition-loop.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { decodeFinishedRanges } from './finished-ranges.ts'
import type { FinishedRange, OffsetTracker } from './offset-tracker.ts'
import { holdPartition, OUTAGE } from './partition-pause.ts'
import type { RebalanceHooks } from './rebalance-hooks.ts'
import { PREPARED } from './rebalance-hooks.ts'
import { createStillOpen } from './still-open.ts'
import { within } from './within.ts'

/** The partitions of this process, each with its epoch and its loop. Hears from the driver, and never throws at it. */
export interface Assignment extends Omit<ConsumerCallbacks, 'onCrash'> {
  /** What is owned, for health. */
  owned(): readonly OwnedPartition[]
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
  /** {@link Moves.seek} */
  seek(positions: readonly Position[]): Promise<void>
}

/** What an {@link Assignment} is made of. */
export interface AssignmentOptions {
  readonly runtime: Runtime
  readonly logger: Logger
  readonly events: Events<ConsumerEvents>
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

/** Makes an {@link Assignment} of nothing. */
export function createAssignment(options: AssignmentOptions): Assignment {
  const { runtime, logger, events, committer, backPressure, drainTimeoutMs, heldTopics, hooks } = options
  const owned = new Map<string, Owned>()
  const stillOpen = createStillOpen()
  let closing = false

  const assign = async (partitions: readonly AssignedPartition[]): Promise<readonly Position[]> => {
    assignment.unassignedSince = null
    if (closing) return []
    const carried = new Map<string, OffsetTracker>()
    const stay: Stay = { here: new Set(), over: new AbortController() }
    const fresh = new Set<Epoch>()
    const committed = new Map<string, AssignedPartition['committed']>()
    for (const partition of partitions) {
      const epoch = createEpoch(partition, partition.epoch, partition.committed?.offset ?? null)
      const before = owned.get(epoch.name)
      if (before?.epoch.tracker && !before.moving) carried.set(epoch.name, before.epoch.tracker)
      if (before !== undefined) close(before, replaced(epoch))
      stay.here.add(epoch.name)
      own({ epoch, preparation: PREPARED, stay })
      fresh.add(epoch)
      committed.set(epoch.name, partition.committed)
    }
    await runtime.failpoint('assign:begin') // owned before this: what is lost from here on is known to be
    const starts = fresh.size === 0 ? [] : await findStarts(partitions, stay.over.signal)
    await runtime.failpoint('assign:positions')
    if (closing) return []

    const started: Epoch[] = []
    for (const start of starts) {
      const epoch = owned.get(formatPartition(start))?.epoch
      if (epoch === undefined || !fresh.has(epoch) || epoch.dead) continue
      // This process knows what it has finished; a commit that did not get through in time changes nothing.
      const known = carried.get(epoch.name)
      if (known !== undefined && known.watermark() >= start.offset)
        epoch.begin(known.watermark(), [...known.finishedRanges()])
      else epoch.begin(start.offset, finishedAbove(start.offset, committed.get(epoch.name)))
      started.push(epoch)
    }
    // Without this a group at `latest` that crashes before its first commit would start at a later `latest`.
    const unknown = started.filter(({ committed }) => committed === null)
    const startsCommitted = committer.commitStarts(unknown).then(() => {
      for (const epoch of unknown) if (epoch.committed !== null) options.onStartCommitted(epoch)
    })
    const preparation = hooks.assigned(started.map(standingOf), stay.over.signal)
    for (const epoch of started) {
      const mine = owned.get(epoch.name)!
      mine.preparation = preparation
      open(mine, epoch.committed === null ? startsCommitted : Promise.resolve())
      if (epoch.committed !== null) committer.moved(epoch)
    }
    events.emit('assigned', { partitions: partitions.map(partitionOf) })
    logger.info({ partitions: partitions.map(formatPartition) }, 'partitions assigned')
    options.onReady()
    return started.map(standingOf)
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
        if (loop.records() === 0) mine.onEmpty?.()
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
    // What was never loaded is not to be stored: it would overwrite what is good.
    const kept = going.filter(({ epoch, preparation }) => !epoch.dead && epoch.tracker && preparation.waitsFor === null)
    const stored = kept.map(({ epoch }) => standingOf(epoch))
    for (const each of going) die(each, reason) // what ends from here on is in none of them, and must not be passed over
    await runtime.failpoint('revoke:committed') // a crash from here on repeats nothing
    await hooks.revoked(stored)
  }

  const ofEpoch = (partitions: readonly TopicPartition[], number: number): readonly Owned[] =>
    partitions.flatMap((partition) => {
      const found = owned.get(formatPartition(partition))
      return found?.epoch.number === number ? [found] : []
    })

  const moves = createMoves({ ...options, owned, isClosing: () => closing, drain, end, own, open })

  const assignment: Mutable<Assignment> = {
    unassignedSince: null,

    owned: () => [...owned.values()],

    onAssigned: assign,

    async onRevoked(partitions, number) {
      await runtime.failpoint('revoke:begin')
      const going = ofEpoch(partitions, number)
      const reason = takenAway(going)
      // After the fact there is nothing to drain for: a commit would be refused, and the new owner repeats what is unfinished.
      if (options.revoke === 'before') await handOver(going, reason)
      else hooks.lost(going.map(({ epoch }) => partitionOf(epoch)))
      for (const each of going) close(each, reason)
      assignment.unassignedSince ??= runtime.clock.monotonic()
      events.emit('revoked', { partitions: partitions.map(partitionOf) })
      logger.info({ partitions: partitions.map(formatPartition) }, 'partitions revoked')
    },

    onLost(partitions, number) {
      const going = ofEpoch(partitions, number)
      const reason = takenAway(going)
      for (const each of going) close(each, reason)
      hooks.lost(partitions.map(partitionOf))
      assignment.unassignedSince ??= runtime.clock.monotonic()
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
      target.loop.take(batch)
    },

    onOutOfRange({ topic, partition, offset, epoch, earliest, latest }) {
      const [target] = ofEpoch([{ topic, partition }], epoch)
      if (target === undefined || target.epoch.dead) return
      if (options.onOutOfRange !== 'fail') {
        moves.passOver(target, { topic, partition, offset }, { earliest, latest })
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
      assignment.unassignedSince = null // a stay in the group has ended: what follows is another
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

    seek: moves.seek,
  }
  return assignment
}

/** What an earlier owner has finished above the offset that it committed. */
function finishedAbove(start: bigint, committed: AssignedPartition['committed'] | undefined): readonly FinishedRange[] {
  return committed?.offset === start ? decodeFinishedRanges(start, committed.metadata) : []
}

function takenAway(going: readonly OwnedPartition[]): HoldfastError {
  const names = going.map(({ epoch }) => epoch.name).join(', ')
  return new HoldfastError('HOLDFAST_EPOCH_LOST', `taken away from this process: ${names}`)
}

function replaced({ name }: Epoch): HoldfastError {
  return new HoldfastError('HOLDFAST_EPOCH_LOST', `${name}: the group has assigned it anew`)
}

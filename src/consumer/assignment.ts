import type { Runtime } from '../clock/index.ts'
import type { AssignedPartition, Capabilities, ConsumerCallbacks, InboundBatch } from '../driver/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import { retry } from '../retry/index.ts'
import type { BackPressure, BufferBound } from './back-pressure.ts'
import type { Committer } from './commit.ts'
import { COMMIT_BUDGET_MS } from './consumer-settings.ts'
import type { Epoch } from './epoch.ts'
import { createEpoch } from './epoch.ts'
import type { Events } from './events.ts'
import type { PartitionLoop, PartitionLoopOptions } from './partition-loop.ts'
import { OUTAGE } from './partition-pause.ts'
import { within } from './within.ts'

/** The partitions of this process, each with its epoch and its loop. Hears from the driver, and never throws at it. */
export interface Assignment extends Omit<ConsumerCallbacks, 'onCrash'> {
  /** What is owned, for health. */
  readonly owned: readonly OwnedPartition[]
  /** Since when partitions are gone and no assignment has followed, on the monotonic clock; null when one has. */
  readonly unassignedSince: number | null
  /** The membership is gone: nothing may be committed. */
  loseAll(reason: HoldfastError): void
  /** Begins nothing more, lets handlers end within `drainTimeoutMs`, commits what is finished, and gives everything up. */
  closeAll(reason: HoldfastError): Promise<void>
  /** The topics that are held have changed. */
  heldChanged(topics: readonly string[]): void
}

/** One partition that is owned. */
export interface OwnedPartition {
  readonly epoch: Epoch
  /** Null until the start position is known. */
  readonly loop: PartitionLoop | null
  /** Its position is not on the log any more; null when it is. */
  readonly outOfRange: string | null
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
  readonly startPositions: (partitions: readonly AssignedPartition[]) => Promise<readonly Position[]>
  readonly createLoop: (
    epoch: Epoch,
    options: Pick<PartitionLoopOptions, 'ready' | 'held' | 'onBuffered'>,
  ) => PartitionLoop
  /** An assignment is in place. */
  readonly onReady: () => void
}

interface Owned extends OwnedPartition {
  loop: PartitionLoop | null
  bound: BufferBound | null
  outOfRange: string | null
}

/** Makes an {@link Assignment} of nothing. */
export function createAssignment(options: AssignmentOptions): Assignment {
  const { runtime, logger, events, committer, backPressure, drainTimeoutMs, heldTopics } = options
  const owned = new Map<string, Owned>()
  // Handlers of dead epochs that have not ended. A partition that comes back waits for them: two records of one key must not be in
  // handlers of this process at once.
  const stillOpen = new Map<string, Promise<unknown>>()

  let unassignedSince: number | null = null

  const assign = async (partitions: readonly AssignedPartition[]): Promise<readonly Position[]> => {
    unassignedSince = null
    await runtime.failpoint('assign:begin')
    const carried = new Map<string, bigint>()
    const fresh = partitions.map((partition) => {
      const epoch = createEpoch(partition, partition.epoch, partition.committed?.offset ?? null)
      const before = owned.get(epoch.name)
      if (before?.epoch.tracker) carried.set(epoch.name, before.epoch.tracker.watermark)
      if (before !== undefined) close(before, replaced(epoch))
      owned.set(epoch.name, { epoch, loop: null, bound: null, outOfRange: null })
      return epoch
    })
    const [first] = fresh
    const starts = first === undefined ? [] : await findStarts(partitions, first)
    await runtime.failpoint('assign:positions')

    const started: Epoch[] = []
    for (const start of starts) {
      const epoch = owned.get(formatPartition(start))?.epoch
      if (epoch === undefined || !fresh.includes(epoch) || epoch.dead) continue
      // This process has finished what stands below its own watermark; a commit that did not get through in time changes nothing.
      const own = carried.get(epoch.name)
      epoch.begin(own !== undefined && own > start.offset ? own : start.offset)
      started.push(epoch)
    }
    // Without this a group at `latest` that crashes before its first commit would start at a later `latest`.
    const unknown = started.filter(({ committed }) => committed === null)
    const startsCommitted = committer.commitStarts(unknown)
    for (const epoch of started) {
      open(epoch, startsCommitted)
      if (epoch.committed !== null) committer.moved(epoch)
    }
    events.emit('assigned', { partitions: partitions.map(partitionOf) })
    logger.info({ partitions: partitions.map(formatPartition) }, 'partitions assigned')
    options.onReady()
    return started.map((epoch) => ({ ...partitionOf(epoch), offset: epoch.tracker!.watermark }))
  }

  const findStarts = async (partitions: readonly AssignedPartition[], first: Epoch): Promise<readonly Position[]> => {
    const found = await retry(() => options.startPositions(partitions), {
      policy: OUTAGE,
      signal: first.stopSignal, // those of one assignment go together
      runtime,
      rule: () => ({ kind: 'wait' }),
      onWait: () => {
        for (const partition of partitions) {
          owned
            .get(formatPartition(partition))
            ?.epoch.setPause({ reason: 'the cluster does not say where it starts', unhealthy: true })
        }
      },
    })
    return found.kind === 'succeeded' ? found.value : []
  }

  const open = (epoch: Epoch, startsCommitted: Promise<void>): void => {
    const mine = owned.get(epoch.name)!
    epoch.setPause(null)
    const earlier = stillOpen.get(epoch.name)
    if (earlier !== undefined)
      epoch.setPause({ reason: 'a handler of an earlier assignment is still running', unhealthy: true })
    const ready = Promise.all([earlier, epoch.committed === null ? startsCommitted : undefined]).then(() => {
      if (earlier !== undefined) epoch.setPause(null)
    })
    const loop = options.createLoop(epoch, {
      ready,
      held: heldTopics.has(epoch.topic),
      onBuffered: () => mine.bound?.check(),
    })
    mine.loop = loop
    mine.bound = backPressure.add(epoch, loop)
  }

  const close = ({ epoch, loop, bound }: Owned, reason: HoldfastError): void => {
    if (epoch.dead) return // it was lost while it drained
    epoch.end(reason)
    bound?.remove()
    if (owned.get(epoch.name)?.epoch === epoch) owned.delete(epoch.name)
    if (loop === null) return
    loop.discard()
    const ended = Promise.all([stillOpen.get(epoch.name), loop.idle()]).finally(() => {
      if (stillOpen.get(epoch.name) === ended) stillOpen.delete(epoch.name)
    })
    stillOpen.set(epoch.name, ended)
  }

  const drainAndCommit = async (going: readonly Owned[], reason: HoldfastError): Promise<void> => {
    for (const { epoch } of going) epoch.stop()
    const drained = await within(
      runtime.clock,
      drainTimeoutMs,
      Promise.all(going.map(async ({ loop }) => loop?.idle())),
    )
    if (!drained) {
      logger.warn(
        { partitions: going.map(({ epoch }) => epoch.name), drainTimeoutMs },
        'handlers did not end in time; their signals abort',
      )
      for (const { epoch } of going) epoch.abort(reason)
    }
    await runtime.failpoint('revoke:drained')
    const epochs = going.map(({ epoch }) => epoch)
    await committer.flush(epochs, COMMIT_BUDGET_MS)
    await runtime.failpoint('revoke:committed') // a crash from here on repeats nothing
  }

  const ofEpoch = (partitions: readonly TopicPartition[], number: number): readonly Owned[] =>
    partitions.flatMap((partition) => {
      const found = owned.get(formatPartition(partition))
      return found?.epoch.number === number ? [found] : []
    })

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
      if (options.revoke === 'before') await drainAndCommit(going, reason)
      for (const each of going) close(each, reason)
      unassignedSince ??= runtime.clock.monotonic()
      events.emit('revoked', { partitions: partitions.map(partitionOf) })
      logger.info({ partitions: partitions.map(formatPartition) }, 'partitions revoked')
    },

    onLost(partitions, number) {
      const going = ofEpoch(partitions, number)
      for (const each of going) close(each, takenAway(going))
      unassignedSince ??= runtime.clock.monotonic()
      events.emit('lost', { partitions: partitions.map(partitionOf) })
      logger.warn(
        { partitions: partitions.map(formatPartition) },
        'the membership was lost: what was not committed is handled again',
      )
    },

    onBatch(batch: InboundBatch) {
      const target = owned.get(formatPartition(batch))
      if (target === undefined || target.loop === null || target.epoch.number !== batch.epoch) return // of an assignment that is over
      target.loop.take(batch)
      if (batch.records.length === 0) committer.moved(target.epoch) // all filtered: the watermark moves without a record
    },

    onOutOfRange({ topic, partition, offset, epoch, earliest, latest }) {
      const [target] = ofEpoch([{ topic, partition }], epoch)
      if (target === undefined) return
      const what =
        offset < earliest
          ? `${earliest - offset} offsets (${offset} to ${earliest - 1n}) are gone`
          : `the log ends at ${latest}, so it was cut or made anew`
      const reason = `offset ${offset} is not on the log: ${what}. Its commit is unchanged; stop the group and set its offset to go on`
      target.outOfRange = reason
      logger.error(
        { partition: target.epoch.name, offset, earliest, latest, code: 'HOLDFAST_OFFSET_OUT_OF_RANGE' },
        reason,
      )
      events.emit('paused', { partition: { topic, partition }, reason })
    },

    loseAll(reason) {
      for (const each of owned.values()) close(each, reason)
      unassignedSince = null // a stay in the group has ended: what follows is another
    },

    async closeAll(reason) {
      const going = [...owned.values()]
      await drainAndCommit(going, reason)
      for (const each of owned.values()) close(each, reason)
    },

    heldChanged(topics) {
      for (const { epoch, loop } of owned.values()) {
        if (!topics.includes(epoch.topic)) continue
        if (heldTopics.has(epoch.topic)) loop?.hold()
        else loop?.release()
      }
    },
  }
}

function partitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

function takenAway(going: readonly OwnedPartition[]): HoldfastError {
  const names = going.map(({ epoch }) => epoch.name).join(', ')
  return new HoldfastError('HOLDFAST_EPOCH_LOST', `taken away from this process: ${names}`)
}

function replaced({ name }: Epoch): HoldfastError {
  return new HoldfastError('HOLDFAST_EPOCH_LOST', `${name}: the group has assigned it anew`)
}

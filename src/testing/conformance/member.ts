import type {
  AssignedPartition,
  ConsumerCallbacks,
  Driver,
  DriverConsumer,
  DriverSurroundings,
  InboundBatch,
} from '../../driver/index.ts'
import type { Runtime } from '../../clock/index.ts'
import type { HoldfastError } from '../../errors/index.ts'
import type { InboundRecord, Position, TopicPartition } from '../../record/index.ts'
import { formatPartition, formatPosition } from '../../record/index.ts'

/** How a member of the suite behaves where it matters to a test. */
export interface MemberOptions {
  readonly driver?: Driver
  /** @defaultValue the world's */
  readonly runtime?: Runtime
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  /** Where partitions start. @defaultValue the commit, else 0; `undefined` leaves a partition out */
  readonly startAt?: (partition: AssignedPartition) => bigint | undefined
  /** Runs before the start positions are handed over, when they are known. */
  readonly onAssigned?: (partitions: readonly AssignedPartition[], member: Member) => Promise<void> | void
  /** Runs while partitions are given back. @defaultValue commits what was delivered */
  readonly onRevoked?: (partitions: readonly TopicPartition[], epoch: number, member: Member) => Promise<void>
  readonly onBatch?: (batch: InboundBatch, member: Member) => void
  /** May offsets be without a record: skipped ones, and in transactions the markers and what was rolled back? @defaultValue never */
  readonly holes?: () => boolean
  /** Whether new partitions come when the old ones have gone, or beside them. @defaultValue `'eager'` */
  readonly rebalance?: 'eager' | 'cooperative'
}

/** One assignment as a member heard of it. */
export interface HeardAssignment {
  readonly epoch: number
  readonly partitions: readonly AssignedPartition[]
}

type OutOfRange = Parameters<ConsumerCallbacks['onOutOfRange']>[0]

/** A consumer that remembers all it hears, and holds every callback to the port's promises. */
export interface Member {
  readonly consumer: DriverConsumer
  readonly assignments: readonly HeardAssignment[]
  readonly records: readonly InboundRecord[]
  readonly batches: readonly InboundBatch[]
  readonly revocations: readonly { readonly partitions: readonly TopicPartition[]; readonly epoch: number }[]
  readonly losses: readonly { readonly partitions: readonly TopicPartition[]; readonly epoch: number }[]
  readonly outOfRange: readonly OutOfRange[]
  readonly crashes: readonly HoldfastError[]
  /** What happened, in order: `assigned`, `revoking`, `revoked`, `lost`, `crashed`. */
  readonly events: readonly string[]
  start(topics: readonly string[]): Promise<void>
  /** Partitions owned now, with their epoch. */
  owned(): readonly (TopicPartition & { readonly epoch: number })[]
  epochOf(partition: TopicPartition): number
  /** Records of a partition, in the order of delivery. */
  of(partition: number): readonly InboundRecord[]
  /** Commits everything delivered of the partitions it owns. */
  commitDelivered(): Promise<void>
  /** @throws Error for every promise that was broken. */
  check(): void
  /** What it has heard, for the message of a wait in vain. */
  story(): string
}

interface Owned extends TopicPartition {
  readonly epoch: number
  /** The next batch begins here or, records having been filtered, later. */
  next: bigint | null
}

/** Makes a {@link Member}. */
export function createMember(
  driver: Driver,
  surroundings: DriverSurroundings,
  groupId: string,
  options: MemberOptions,
): Member {
  const consumer = driver.createConsumer({
    ...surroundings,
    ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
    groupId,
    sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? 20_000,
    heartbeatIntervalMs: 500,
    maxWaitMs: 200,
    maxBytesPerPartition: 1_048_576,
  })
  const { holes = () => false, rebalance = 'eager' } = options
  const startAt = options.startAt ?? (({ committed }) => committed?.offset ?? 0n)
  const assignments: HeardAssignment[] = []
  const batches: InboundBatch[] = []
  const records: InboundRecord[] = []
  const revocations: Array<{ partitions: readonly TopicPartition[]; epoch: number }> = []
  const losses: Array<{ partitions: readonly TopicPartition[]; epoch: number }> = []
  const outOfRange: OutOfRange[] = []
  const crashes: HoldfastError[] = []
  const events: string[] = []
  const broken: string[] = []
  const owned = new Map<string, Owned>()
  let lastEpoch = 0
  const answered = new Set<number>() // the epochs whose start positions are handed over
  let phase: 'started' | 'crashed' | 'stopping' | 'stopped' = 'started'

  const hold = (promise: string, kept: boolean): void => {
    if (!kept) broken.push(promise)
  }

  // While it stops, what was on its way may still come; what it says then is nobody's concern.
  const listening = (): boolean => {
    hold('nothing is heard after stop', phase !== 'stopped')
    hold('nothing is heard between a crash and the next start', phase !== 'crashed')
    return phase === 'started'
  }

  const drop = (partitions: readonly TopicPartition[], epoch: number): void => {
    for (const partition of partitions) {
      hold(
        `${formatPartition(partition)} was taken away under epoch ${epoch}, which it had`,
        owned.get(formatPartition(partition))?.epoch === epoch,
      )
      owned.delete(formatPartition(partition))
    }
  }

  const callbacks: ConsumerCallbacks = {
    async onAssigned(partitions) {
      if (!listening()) return []
      const epoch = partitions[0]?.epoch ?? lastEpoch + 1
      hold('epochs grow', epoch > lastEpoch)
      hold(
        'all partitions of an assignment have one epoch',
        partitions.every((each) => each.epoch === epoch),
      )
      if (rebalance === 'eager') hold('partitions are given back before new ones come', owned.size === 0)
      lastEpoch = epoch
      const starts: Position[] = []
      for (const each of partitions) {
        const { topic, partition } = each
        hold(`${formatPartition(each)} is given back before it comes anew`, !owned.has(formatPartition(each)))
        const offset = startAt(each)
        owned.set(formatPartition(each), { topic, partition, epoch, next: offset ?? null })
        if (offset !== undefined) starts.push({ topic, partition, offset })
      }
      assignments.push({ epoch, partitions })
      events.push('assigned')
      await options.onAssigned?.(partitions, member)
      answered.add(epoch)
      return starts
    },
    async onRevoked(partitions, epoch) {
      if (!listening()) return
      events.push('revoking')
      if (driver.capabilities.revoke === 'after') drop(partitions, epoch)
      await (options.onRevoked ?? (() => member.commitDelivered()))(partitions, epoch, member)
      if (phase !== 'started') return
      const lostMeanwhile = losses.some((loss) => loss.epoch === epoch)
      if (driver.capabilities.revoke === 'before' && !lostMeanwhile) drop(partitions, epoch)
      revocations.push({ partitions, epoch })
      events.push('revoked')
    },
    onLost(partitions, epoch) {
      if (!listening()) return
      drop(partitions, epoch)
      losses.push({ partitions, epoch })
      events.push('lost')
    },
    onBatch(batch) {
      if (!listening()) return
      const place = `${formatPartition(batch)} of epoch ${batch.epoch}`
      const state = owned.get(formatPartition(batch))
      hold(`a batch of ${place} comes while that epoch owns it`, state?.epoch === batch.epoch)
      if (state === undefined) return
      hold(`a batch of ${place} comes after onAssigned has resolved`, answered.has(batch.epoch))
      hold(`a batch of ${place} comes after its position is known`, state.next !== null)
      let next = state.next ?? 0n
      for (const record of batch.records) {
        hold(
          `${formatPosition(record)} belongs to ${place}`,
          record.topic === batch.topic && record.partition === batch.partition,
        )
        hold(`${formatPosition(record)} comes in order, not below ${next}`, record.offset >= next)
        hold(`${formatPosition(record)} comes next, nothing skipped from ${next} on`, holes() || record.offset === next)
        next = record.offset + 1n
      }
      hold(`the next offset ${batch.nextOffset} of ${place} follows its records`, holes() || batch.nextOffset === next)
      hold(`the next offset ${batch.nextOffset} of ${place} is past its records`, batch.nextOffset >= next)
      hold(`the high watermark ${batch.highWatermark} of ${place} is past its records`, batch.highWatermark >= next)
      state.next = batch.nextOffset
      batches.push(batch)
      records.push(...batch.records)
      options.onBatch?.(batch, member)
    },
    onOutOfRange(position) {
      if (!listening()) return
      const state = owned.get(formatPartition(position))
      hold(`${formatPosition(position)} is out of range in the epoch that owns it`, state?.epoch === position.epoch)
      if (state !== undefined) state.next = null
      outOfRange.push(position)
    },
    onCrash(error) {
      if (!listening()) return
      phase = 'crashed'
      owned.clear()
      crashes.push(error)
      events.push('crashed')
    },
  }

  // Seeks are the test's own: what comes next may then lie anywhere.
  const seekable: DriverConsumer = {
    start: (topics, given) => consumer.start(topics, given),
    commit: (offsets) => consumer.commit(offsets),
    pause: (partitions) => consumer.pause(partitions),
    resume: (partitions) => consumer.resume(partitions),
    seek(position) {
      const state = owned.get(formatPartition(position))
      if (state !== undefined) state.next = position.offset
      consumer.seek(position)
    },
    lastHeartbeatAt: () => consumer.lastHeartbeatAt(),
    async stop() {
      if (phase !== 'stopped') phase = 'stopping'
      owned.clear()
      await consumer.stop()
      phase = 'stopped'
    },
  }

  const member: Member = {
    consumer: seekable,
    assignments,
    batches,
    records,
    revocations,
    losses,
    outOfRange,
    crashes,
    events,
    start(topics) {
      if (phase === 'crashed') phase = 'started'
      return consumer.start(topics, callbacks)
    },
    owned: () => [...owned.values()].map(({ topic, partition, epoch }) => ({ topic, partition, epoch })),
    epochOf(partition) {
      const state = owned.get(formatPartition(partition))
      if (state === undefined) throw new Error(`${formatPartition(partition)} is not owned`)
      return state.epoch
    },
    of: (partition) => records.filter((record) => record.partition === partition),
    async commitDelivered() {
      const offsets = [...owned.values()].flatMap(({ topic, partition, epoch, next }) =>
        next === null ? [] : [{ topic, partition, epoch, offset: next }],
      )
      if (offsets.length > 0) await consumer.commit(offsets)
    },
    check() {
      if (broken.length > 0)
        throw new Error(`broken promises:\n${broken.map((promise) => `  - ${promise}`).join('\n')}`)
    },
    story: () =>
      `member of ${groupId}: ${events.join(' ')}; ${records.length} records; owns ${[...owned.keys()].join(' ')}; ${crashes.map(({ message }) => message).join(' ')}`,
  }
  return member
}

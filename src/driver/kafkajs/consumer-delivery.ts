import type { Batch, Consumer, EachBatchPayload } from 'kafkajs'
import type { Runtime } from '../../clock/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Logger } from '../../logger/index.ts'
import type { Position, TopicPartition } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { ConsumerCallbacks } from '../driver-consumer.ts'
import type { GroupCoordinator } from './consumer-coordinator.ts'
import { byTopic } from './consumer-coordinator.ts'
import type { Epoch, PartitionState } from './consumer-epoch.ts'
import { fetchedOf } from './consumer-fetching.ts'
import { judgeBatch, moveTo } from './consumer-position.ts'

/** How the delivery of one kafkajs consumer is made. */
export interface DeliveryOptions {
  readonly consumer: Pick<Consumer, 'pause' | 'resume' | 'seek'>
  readonly coordinator: Pick<GroupCoordinator, 'range'>
  readonly callbacks: Pick<ConsumerCallbacks, 'onBatch' | 'onOutOfRange'>
  /** What the core has paused, by {@link formatPartition}; it outlives assignments and crashes. */
  readonly paused: ReadonlySet<string>
  readonly runtime: Runtime
  readonly logger: Logger
  /** A callback threw, or kafkajs is not the kafkajs this was written for. */
  readonly onFailure: (error: unknown) => void
}

/** What flows from kafkajs to the core, for the epoch given. */
export interface Delivery {
  /** Stops kafkajs from fetching what was just assigned; to be called before it can begin. */
  prepare(epoch: Epoch): void
  /** Reads each partition from its position on; those without one wait for {@link Delivery.seek}. */
  begin(epoch: Epoch, starts: readonly Position[]): void
  /** Delivers nothing more of the epoch. */
  halt(epoch: Epoch): void
  /** Applies what changed in the set of paused partitions. */
  pauseChanged(epoch: Epoch, partitions: readonly TopicPartition[]): void
  seek(epoch: Epoch, position: Position): void
  eachBatch(epoch: Epoch | null, payload: EachBatchPayload): void
  /** kafkajs found that the position of these is not on the log. */
  outOfRange(epoch: Epoch | null, partitions: readonly TopicPartition[]): void
}

/** Makes a {@link Delivery}. Whatever is not taken over is left unresolved in kafkajs, so that it is fetched again. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const { consumer, coordinator, callbacks, paused, runtime, logger, onFailure } = options

  /** kafkajs throws here while it has no group, after a stop or a crash: there is nothing to steer then. */
  const steer = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      logger.debug(
        { error: error instanceof Error ? error.name : typeof error },
        'kafkajs is stopped and cannot be steered',
      )
    }
  }

  const rewind = ({ topic, partition, next }: PartitionState): void => {
    if (next !== null) steer(() => consumer.seek({ topic, partition, offset: next.toString() }))
  }

  const setFlow = (epoch: Epoch, state: PartitionState): void => {
    const flowing = epoch.phase === 'reading' && state.next !== null && !paused.has(state.key)
    if (flowing === state.flowing) return
    state.flowing = flowing
    const partitions = [{ topic: state.topic, partitions: [state.partition] }]
    steer(() => (flowing ? consumer.resume(partitions) : consumer.pause(partitions)))
  }

  const goTo = (epoch: Epoch, state: PartitionState, offset: bigint): void => {
    moveTo(state, offset)
    rewind(state)
    setFlow(epoch, state)
  }

  const take = (epoch: Epoch, state: PartitionState, payload: EachBatchPayload): void => {
    const { batch } = payload
    const { topic, partition, messages, highWatermark } = batch
    const { fetchedOffset } = batch as Batch & { readonly fetchedOffset: string } // not in kafkajs' types
    const fetched = fetchedOf(messages)
    if (fetched === undefined)
      throw new HoldfastError('HOLDFAST_UNSUPPORTED', 'this kafkajs fetches in a way of its own')
    const { lastOffset } = fetched
    const from = BigInt(fetchedOffset)
    if (judgeBatch(state, from, lastOffset) === 'rewind') {
      logger.debug(
        { topic, partition, fetchedOffset, position: `${state.next}` },
        'a batch from elsewhere is fetched again',
      )
      rewind(state)
      return
    }
    const nextOffset = state.next!
    callbacks.onBatch({
      topic,
      partition,
      epoch: epoch.number,
      records: fetched.records(state, from), // none where all are aborted: the core has to know how far it may commit
      nextOffset,
      highWatermark: endOf(highWatermark, nextOffset),
    })
    payload.resolveOffset(`${lastOffset}`)
  }

  const reportOutOfRange = async (epoch: Epoch, state: PartitionState, wanted: bigint): Promise<void> => {
    const { topic, partition } = state
    const isCurrent = (): boolean => epoch.phase === 'reading' && state.next === null // no seek has come meanwhile
    while (isCurrent()) {
      const range = await coordinator.range(state).catch(() => undefined)
      if (!isCurrent()) return
      if (range === undefined) {
        logger.warn(
          { topic, partition },
          'the position is not on the log, and where the log begins and ends cannot be read yet',
        )
        await runtime.clock.sleep(RANGE_RETRY_MS, epoch.over.signal).catch(() => {})
        continue
      }
      const { earliest, latest } = range
      if (wanted >= earliest && wanted <= latest)
        goTo(epoch, state, wanted) // the answer was to an older question
      else callbacks.onOutOfRange({ topic, partition, epoch: epoch.number, offset: wanted, earliest, latest })
      return
    }
  }

  return {
    prepare(epoch) {
      const all = byTopic([...epoch.partitions.values()], ({ partition }) => partition)
      if (all.length > 0) steer(() => consumer.pause(all))
    },
    begin(epoch, starts) {
      for (const start of starts) {
        const state = epoch.partitions.get(formatPartition(start))
        if (state === undefined) continue
        goTo(epoch, state, state.next ?? start.offset) // a seek that came during the assignment is the later word
      }
      for (const state of epoch.partitions.values()) setFlow(epoch, state)
    },
    halt(epoch) {
      for (const state of epoch.partitions.values()) setFlow(epoch, state)
    },
    pauseChanged(epoch, partitions) {
      for (const partition of partitions) {
        const state = epoch.partitions.get(formatPartition(partition))
        if (state !== undefined) setFlow(epoch, state)
      }
    },
    seek(epoch, position) {
      const state = epoch.partitions.get(formatPartition(position))
      if (state !== undefined) goTo(epoch, state, position.offset)
    },
    eachBatch(epoch, payload) {
      const { topic, partition } = payload.batch
      const state = epoch?.partitions.get(formatPartition({ topic, partition }))
      if (epoch === null || state?.flowing !== true) return
      try {
        take(epoch, state, payload)
      } catch (error) {
        onFailure(error)
      }
    },
    outOfRange(epoch, partitions) {
      for (const partition of partitions) {
        const state = epoch?.partitions.get(formatPartition(partition))
        if (epoch === null || state === undefined || state.next === null) continue
        const wanted = state.next
        state.next = null
        setFlow(epoch, state)
        reportOutOfRange(epoch, state, wanted).catch(onFailure)
      }
    },
  }
}

const RANGE_RETRY_MS = 500

/**
 * Where the partition ends. A broker takes note of the high watermark before it reads (`Partition.readRecords`), and may answer with
 * records that were written in between: a lag taken from it would be negative.
 */
function endOf(highWatermark: string, nextOffset: bigint): bigint {
  const end = BigInt(highWatermark)
  return end > nextOffset ? end : nextOffset
}

import type { Clock } from '../../clock/index.ts'
import type { ConsumerCallbacks } from '../../driver/index.ts'
import type { TopicPartition } from '../../record/index.ts'
import type { Broker } from './broker.ts'
import { isPassing, refusals } from './refusals.ts'

/** One partition in one assignment: where its reading stands. */
export interface PartitionReader extends TopicPartition {
  readonly epoch: number
  /** The topic that it reads was deleted. */
  gone(): boolean
  /** Reading goes on here; null until a position is known. */
  position: bigint | null
  /** Looks again whether it is paused. */
  pauseChanged(): void
  seek(offset: bigint): void
  /** Begins to deliver. */
  begin(): void
  /** Delivers nothing more, ever. */
  end(): void
}

/** What a reader needs of its surroundings. */
export interface PartitionReaderOptions extends TopicPartition {
  readonly broker: Broker
  readonly clock: Clock
  readonly clientId: string
  readonly epoch: number
  readonly maxBytes: number
  readonly isPaused: () => boolean
  readonly callbacks: Pick<ConsumerCallbacks, 'onBatch' | 'onOutOfRange'>
  /** A callback threw, or the topic is no more. */
  readonly onFailure: (error: unknown) => void
}

const FETCH_AGAIN_MS = 100

/** Makes a reader that waits for {@link PartitionReader.begin}. */
export function createPartitionReader(options: PartitionReaderOptions): PartitionReader {
  const { broker, clock, clientId, topic, partition, epoch, maxBytes, isPaused, callbacks } = options
  const log = broker.log({ topic, partition })
  let phase: 'waiting' | 'reading' | 'ended' = 'waiting'
  let seeks = 0
  let wake: (() => void) | null = null
  const changed = (): void => wake?.()

  const fetchOnce = async (): Promise<boolean> => {
    if (log.deleted && broker.isReachable(clientId))
      await broker.request(clientId, () => {
        throw refusals.topicUnknown(topic)
      })
    if (isPaused() || reader.position === null || !broker.isReachable(clientId)) return false
    const from = reader.position
    if (from >= log.start && from >= log.stable() && from <= log.end) return false // nothing to read yet: a long poll
    const asked = seeks
    const answer = await broker.request(clientId, () => {
      const { start, end } = log
      return from < start || from > end
        ? { kind: 'out-of-range' as const, start, end }
        : { kind: 'records' as const, end, fetched: log.read(from, maxBytes) }
    })
    // The answer of a fetch that a seek, a pause or a revocation overtook belongs to nobody: it is fetched again.
    if (phase !== 'reading' || isPaused() || asked !== seeks) return true
    if (answer.kind === 'out-of-range') {
      reader.position = null
      callbacks.onOutOfRange({ topic, partition, epoch, offset: from, earliest: answer.start, latest: answer.end })
      return true
    }
    if (answer.fetched === null) return true
    const { records, nextOffset } = answer.fetched
    reader.position = nextOffset
    callbacks.onBatch({ topic, partition, epoch, records, nextOffset, highWatermark: answer.end })
    return true
  }

  /** A fetch that was lost is sent again. */
  const wait = async (error: unknown): Promise<true> => {
    if (!isPassing(error)) throw error
    await clock.sleep(FETCH_AGAIN_MS)
    return true
  }

  const read = async (): Promise<void> => {
    const unwatch = [log.watch(changed), broker.watchNetwork(changed)]
    try {
      while (phase === 'reading') {
        const change = new Promise<void>((resolve) => (wake = resolve))
        if (!(await fetchOnce().catch(wait))) await change
      }
    } catch (error) {
      if (phase === 'reading') options.onFailure(error)
    } finally {
      for (const stop of unwatch) stop()
    }
  }

  const reader: PartitionReader = {
    topic,
    partition,
    epoch,
    gone: () => log.deleted,
    position: null,
    pauseChanged: changed,
    seek(offset) {
      seeks++
      reader.position = offset
      changed()
    },
    begin() {
      if (phase !== 'waiting') return
      phase = 'reading'
      void read()
    },
    end() {
      phase = 'ended'
      changed()
    },
  }
  return reader
}

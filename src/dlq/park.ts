import type { Runtime } from '../clock/index.ts'
import type { Driver, DriverProducer, ProduceOutcome } from '../driver/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position } from '../record/index.ts'
import { formatPartition, formatPosition } from '../record/index.ts'
import type { DeadLetterRequest, Detail } from './build-dead-letter.ts'
import { buildDeadLetter } from './build-dead-letter.ts'

/** Parks records on dead letter topics, through a producer of its own. */
export interface Parking {
  connect(): Promise<void>
  /**
   * Parks one record, and resolves with the place of its dead letter when all in-sync replicas have acknowledged it. Only then may
   * the record be marked as parked, and after that its offset move.
   *
   * The dead letter goes to the partition with the record's own number, or where the dead letter topic has too few, to that number
   * modulo theirs: either way all records of one key stay in order. One that the broker refuses for its size is tried again
   * without its error's stack, then without the message.
   *
   * A crash before the acknowledgement, and an answer that was lost, park the record again when it is repeated: two dead letters
   * with the same origin headers are better than none.
   *
   * @param isOwned - asked right before each write: a partition that is gone must not be parked from.
   * @throws HOLDFAST_DEAD_LETTER_UNREACHABLE (retriable): nothing says that the record is parked. Its cause says why.
   * HOLDFAST_EPOCH_LOST when it is not owned any more; nothing was written by this call since.
   */
  park(deadLetterTopic: string, request: DeadLetterRequest, isOwned?: () => boolean): Promise<Position>
  /** Closes after what is under way, or at the deadline. Safe to call twice. */
  close(options: { readonly timeoutMs: number }): Promise<void>
}

/** How a {@link Parking} is made. */
export interface ParkingOptions {
  readonly driver: Driver
  readonly runtime: Runtime
  readonly logger: Logger
  /**
   * How long one write may take, in milliseconds.
   *
   * @defaultValue `30_000`, Java's `request.timeout.ms`
   */
  readonly timeoutMs?: number
}

/** Makes a {@link Parking}. */
export function createParking({ driver, runtime, logger, timeoutMs = 30_000 }: ParkingOptions): Parking {
  const producer = driver.createProducer({ runtime, logger })
  const turns = createTurns()

  return {
    connect: () => producer.connect(),
    async park(topic, request, isOwned = () => true) {
      try {
        const count = await producer.partitionCount(topic)
        const partition = request.record.partition % count
        return await turns.take(formatPartition({ topic, partition }), async () => {
          await runtime.failpoint('park:producing') // a crash before this: no dead letter, and the record is read again
          const offset = await produceDegrading(producer, request, isOwned, { topic, partition, timeoutMs, runtime })
          await runtime.failpoint('park:acknowledged') // a crash here: the record is read again and parked twice
          return { topic, partition, offset }
        })
      } catch (error) {
        if (HoldfastError.is(error, 'HOLDFAST_EPOCH_LOST')) throw error
        producer.forgetPartitions(topic)
        throw unreachable(topic, request, error)
      }
    },
    close: (options) => producer.close(options),
  }
}

const DETAILS: readonly Detail[] = ['full', 'no-stack', 'no-message']

/** Drops the error's stack, then its message, but never a byte of the record. */
async function produceDegrading(
  producer: DriverProducer,
  request: DeadLetterRequest,
  isOwned: () => boolean,
  target: { readonly topic: string; readonly partition: number; readonly timeoutMs: number; readonly runtime: Runtime },
): Promise<bigint> {
  const { topic, partition, timeoutMs, runtime } = target
  let refusal: HoldfastError | undefined
  for (const detail of DETAILS) {
    const letter = buildDeadLetter(request, { topic, partition, nowMs: runtime.clock.now() }, detail)
    if (!isOwned()) throw epochLost(request)
    const outcomes = await producer.produce({ topic, partition, records: [letter], compression: 'none' }, { timeoutMs })
    const outcome: ProduceOutcome | undefined = outcomes[0]
    if (outcome?.ok) return outcome.offset
    refusal = outcome?.error ?? new HoldfastError('HOLDFAST_INDETERMINATE', `${driverGaveNoOutcome}: ${topic}`)
    if (refusal.code !== 'HOLDFAST_RECORD_TOO_LARGE') break
  }
  throw refusal!
}

const driverGaveNoOutcome = 'the driver answered a produce without an outcome'

function unreachable(topic: string, { record }: DeadLetterRequest, cause: unknown): HoldfastError {
  const why = HoldfastError.is(cause) ? cause.code : 'an unexpected error'
  const message = `${formatPosition(record)} cannot be parked on ${topic} (${why}); its partition waits and nothing is dropped`
  return new HoldfastError('HOLDFAST_DEAD_LETTER_UNREACHABLE', message, { cause, retriable: true })
}

function epochLost({ record }: DeadLetterRequest): HoldfastError {
  return new HoldfastError(
    'HOLDFAST_EPOCH_LOST',
    `${formatPosition(record)} is not parked: its partition was taken away`,
  )
}

/** One at a time for each name, in the order they came: the port allows one produce under way a partition. */
function createTurns(): { take<T>(name: string, work: () => Promise<T>): Promise<T> } {
  const last = new Map<string, Promise<unknown>>()
  return {
    async take(name, work) {
      const before = last.get(name)
      const mine = before === undefined ? work() : before.then(work, work)
      last.set(name, mine)
      try {
        return await mine
      } finally {
        if (last.get(name) === mine) last.delete(name)
      }
    },
  }
}

import type { Driver, DriverProducer, ProduceBatch, ProduceOutcome } from '../../src/driver/index.ts'
import type { Deferred } from '../../src/testing/deferred.ts'
import { deferred } from '../../src/testing/deferred.ts'
import type { InMemoryDriver } from '../../src/testing/index.ts'

/** A batch as a driver's producer got it. */
export interface SeenBatch {
  readonly topic: string
  readonly partition: number
  readonly values: readonly string[]
  readonly compression: string
}

/** A driver whose produce calls a test sees, answers and holds up. */
export interface WatchedDriver extends Driver {
  readonly batches: readonly SeenBatch[]
  /** The most produce calls that were under way for one partition. */
  readonly mostSideBySide: number
  /** How often the partition counts were asked for. */
  readonly counted: () => number
  /** Answers in place of the cluster; `undefined` lets the call go on. */
  answer: ((batch: ProduceBatch, seen: SeenBatch) => readonly ProduceOutcome[] | undefined) | undefined
  /** Holds every produce call from now on, until it is released. */
  hold(): Deferred<void>
}

/** Wraps an in-memory driver. */
export function watchedDriver(driver: InMemoryDriver): WatchedDriver {
  const batches: SeenBatch[] = []
  const underWay = new Map<string, number>()
  let mostSideBySide = 0
  let counted = 0
  let held: Deferred<void> | undefined

  const watch = (producer: DriverProducer): DriverProducer => ({
    ...producer,
    partitionCount(topic) {
      counted++
      return producer.partitionCount(topic)
    },
    async produce(batch, options) {
      const place = `${batch.topic}[${batch.partition}]`
      underWay.set(place, (underWay.get(place) ?? 0) + 1)
      mostSideBySide = Math.max(mostSideBySide, underWay.get(place)!)
      const values = batch.records.map(({ value }) => (value === null ? 'null' : Buffer.from(value).toString()))
      const seen = { topic: batch.topic, partition: batch.partition, values, compression: batch.compression }
      batches.push(seen)
      try {
        await held?.promise
        return watched.answer?.(batch, seen) ?? (await producer.produce(batch, options))
      } finally {
        underWay.set(place, underWay.get(place)! - 1)
      }
    },
  })

  const watched: WatchedDriver = {
    ...driver,
    createProducer: (options) => watch(driver.createProducer(options)),
    batches,
    get mostSideBySide() {
      return mostSideBySide
    },
    counted: () => counted,
    answer: undefined,
    hold() {
      held = deferred()
      return held
    },
  }
  return watched
}

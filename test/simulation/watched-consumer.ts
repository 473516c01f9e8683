import { decodeFinishedRanges } from '../../src/consumer/finished-ranges.ts'
import type { ConsumerCallbacks, DriverConsumer } from '../../src/driver/index.ts'
import type { Position, TopicPartition } from '../../src/record/index.ts'
import { formatPartition } from '../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'
import type { Placed, PlacedRecords } from './placed-records.ts'

/** What is known of the records that a consumer handles. */
export interface Watch {
  readonly placed: PlacedRecords
  /** Has it an outcome, so that it may be committed? */
  readonly isOver: (placed: Placed) => boolean
  /** What is missing although it has its outcome, such as the mark of a dedupe store; null when nothing is. */
  readonly missing: (placed: Placed) => string | null
}

/** Nothing is committed that has no outcome, and nothing for an assignment of which the process knows that it is over. */
export function watchConsumer(
  simulation: Simulation,
  process: SimulatedProcess,
  consumer: DriverConsumer,
  owned: Map<string, number>,
  { placed, isOver, missing }: Watch,
): DriverConsumer {
  const forget = (partitions: readonly TopicPartition[], epoch: number): void => {
    for (const name of partitions.map(formatPartition)) if (owned.get(name) === epoch) owned.delete(name)
  }
  const seen = new Map<string, number>() // of each partition, how many records were found to be over below a commit

  const checkCommit = (position: Position, metadata: string, epoch: number): void => {
    const { offset } = position
    const name = formatPartition(position)
    simulation.note(`${process.name} commits ${name} ${offset} ${metadata}`)
    if (owned.get(name) !== epoch)
      simulation.violation('stale-commit', `${process.name} commits ${name}, which it knows to be gone`)
    const records = placed.of(position)
    let at = seen.get(name) ?? 0
    for (; at < records.length && records[at]!.offset < offset; at++) check(records[at]!, name, offset)
    seen.set(name, at)
    for (const { first, last } of metadata === '' ? [] : decodeFinishedRanges(offset, metadata)) {
      for (const each of records.slice(at)) if (each.offset >= first && each.offset <= last) check(each, name, offset)
    }
  }
  const check = (each: Placed, name: string, offset: bigint): void => {
    const what = `${process.name} commits ${offset} of ${name} over ${each.offset}`
    if (!isOver(each)) simulation.violation('commit-gap', what)
    else {
      const lacking = missing(each)
      if (lacking !== null) simulation.violation('unmarked', `${what}: ${lacking}`)
    }
  }

  return {
    ...consumer,
    start: (topics, callbacks) => consumer.start(topics, watched(callbacks)),
    commit(offsets) {
      for (const { metadata = '', epoch, ...position } of offsets) checkCommit(position, metadata, epoch)
      return consumer.commit(offsets)
    },
    stop() {
      owned.clear()
      return consumer.stop()
    },
  }

  function watched(callbacks: ConsumerCallbacks): ConsumerCallbacks {
    return {
      ...callbacks,
      onAssigned(partitions) {
        for (const partition of partitions) owned.set(formatPartition(partition), partition.epoch)
        return callbacks.onAssigned(partitions)
      },
      async onRevoked(partitions, epoch) {
        await callbacks.onRevoked(partitions, epoch)
        forget(partitions, epoch)
      },
      onLost(partitions, epoch) {
        forget(partitions, epoch)
        callbacks.onLost(partitions, epoch)
      },
      onCrash(error) {
        owned.clear()
        callbacks.onCrash(error)
      },
    }
  }
}

import type { Consumer } from '../../../src/consumer/index.ts'
import { formatPartition } from '../../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'
import type { Nemesis } from '../nemesis.ts'
import type { PlacedRecords } from '../placed-records.ts'
import type { Processes } from '../processes.ts'
import type { ClusterLife } from './cluster-life.ts'

/** Somebody who uses a consumer's controls. */
export interface Operator {
  /** Seeks to where the log begins whenever a partition waits because its position is gone. */
  watch(consumer: Consumer, process: SimulatedProcess): void
  /** Goes back to something that the group has committed: nothing is passed over, and all behind it comes again. */
  seek(): void
  /** Pauses a topic for a while. */
  pause(topic: string): void
}

/** What an {@link Operator} works with. */
export interface OperatorOptions {
  readonly simulation: Simulation
  readonly nemesis: Nemesis
  readonly processes: Processes<Consumer>
  readonly placed: PlacedRecords
  readonly clusterLife: ClusterLife
  readonly groupId: string
}

/** Makes an {@link Operator}. */
export function createOperator(options: OperatorOptions): Operator {
  const { simulation, nemesis, processes, placed, clusterLife, groupId } = options
  const { cluster, int, note } = simulation

  const anyConsumer = (): Consumer | undefined =>
    [...processes.running.values()][int(Math.max(1, processes.running.size))]
  const goTo = (consumer: Consumer, partition: { topic: string; partition: number }, offset: bigint): void => {
    note(`the operator seeks ${formatPartition(partition)} to ${offset}`)
    consumer
      .seek({ ...partition, offset })
      .catch((error: unknown) => note(`the seek came to nothing: ${String(error)}`))
  }

  return {
    watch(consumer, process) {
      consumer.listen('paused', ({ partition, reason }) => {
        if (!reason.includes('is not on the log')) return
        note(`${process.name} waits: ${reason}`)
        void process.pause(int(300)).then(() => goTo(consumer, partition, clusterLife.startOf(partition)))
      })
    },
    seek() {
      const consumer = anyConsumer()
      const owned = consumer?.health().partitions ?? []
      const partition = owned[int(Math.max(1, owned.length))]
      if (consumer === undefined || partition === undefined) return
      const committed = cluster
        .committed(groupId)
        .find((each) => each.topic === partition.topic && each.partition === partition.partition)
      const back = placed
        .of(partition)
        .filter(({ offset }) => offset >= clusterLife.startOf(partition) && offset < (committed?.offset ?? 0n))
      const target = back[int(Math.max(1, back.length))]
      if (target !== undefined) goTo(consumer, { topic: target.topic, partition: target.partition }, target.offset)
    },
    pause(topic) {
      const consumer = anyConsumer()
      if (consumer === undefined) return
      nemesis.forAWhile(
        () => consumer.pause([topic]),
        () => consumer.resume([topic]),
      )
    },
  }
}

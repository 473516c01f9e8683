import type { Driver } from '../../src/driver/index.ts'
import type { TopicPartition } from '../../src/record/index.ts'
import { formatPartition } from '../../src/record/index.ts'
import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'
import type { Watch } from './watched-consumer.ts'
import { watchConsumer } from './watched-consumer.ts'
import { watchProducer } from './watched-producer.ts'

/** A driver that looks at what goes through it, and what its process has been told that it owns. */
export interface WatchedDriver extends Driver {
  owns(partition: TopicPartition): boolean
}

/** Watches the driver of a process: {@link watchConsumer} and {@link watchProducer}. */
export function watchDriver(simulation: Simulation, process: SimulatedProcess, watch: Watch): WatchedDriver {
  const owned = new Map<string, number>() // with the number of the assignment
  const owns = (partition: TopicPartition): boolean => owned.has(formatPartition(partition))
  return {
    ...process.driver,
    owns,
    createConsumer: (options) =>
      watchConsumer(simulation, process, process.driver.createConsumer(options), owned, watch),
    createProducer: (options) => watchProducer(simulation, process, process.driver.createProducer(options), owns),
  }
}

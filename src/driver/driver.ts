import type { Runtime } from '../clock/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Capabilities } from './capabilities.ts'
import type { DriverAdmin } from './driver-admin.ts'
import type { DriverConsumer, DriverConsumerOptions } from './driver-consumer.ts'
import type { DriverProducer, DriverProducerOptions } from './driver-producer.ts'

/**
 * A Kafka client, cut down to what Holdfast needs of one. A driver moves bytes and reports truthfully: it decides no
 * partition, batches nothing, repeats nothing that it cannot repeat without doubling, and no error of a handler reaches it.
 *
 * Every rejection and every failed outcome is a `HoldfastError`. The codes a driver uses are the contract:
 * `HOLDFAST_INDETERMINATE` for "may or may not be on the log"; every other code promises that nothing was written.
 */
export interface Driver {
  /** For people: `kafkajs 2.2.4`, `in-memory`. */
  readonly name: string
  /** The client id this driver was configured with; names the service where nothing else does. */
  readonly clientId: string
  readonly capabilities: Capabilities
  createProducer(options: DriverProducerOptions): DriverProducer
  createConsumer(options: DriverConsumerOptions): DriverConsumer
  createAdmin(options: DriverSurroundings): DriverAdmin
}

/** What the core hands to everything that a driver makes. */
export interface DriverSurroundings {
  readonly runtime: Runtime
  readonly logger: Logger
}

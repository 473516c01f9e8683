import type { Capabilities, Driver } from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { createInMemoryAdmin } from './admin.ts'
import { COMPRESSION } from './broker.ts'
import type { InMemoryCluster } from './cluster.ts'
import { brokerOf, createInMemoryCluster } from './cluster.ts'
import { createInMemoryConsumer } from './consumer.ts'
import { createInMemoryProducer } from './producer.ts'

/** A driver whose cluster is in this process. */
export interface InMemoryDriver extends Driver {
  /** Where a test looks at the log, and breaks things. */
  readonly cluster: InMemoryCluster
}

/** How an in-memory driver is made. */
export interface InMemoryDriverOptions {
  /** @defaultValue `'in-memory'` */
  readonly clientId?: string
  /**
   * Topics of the driver's own cluster are made when first asked for, with so many partitions. Not together with `cluster`.
   *
   * @defaultValue none are made
   */
  readonly partitions?: number
  /** The cluster to talk to; drivers that share one are processes on one Kafka. @defaultValue one of its own */
  readonly cluster?: InMemoryCluster
}

const capabilities: Capabilities = {
  idempotentProducer: true,
  transactions: true,
  transactionGroupFencing: false, // the port sends no offsets in transactions yet
  readCommitted: 'correct',
  revoke: 'before',
  nullHeaderValue: true,
  headerOrder: true,
  commitMetadata: true,
  compression: COMPRESSION,
}

/**
 * Makes a driver for tests: the whole driver port, on a Kafka in memory. All its waiting goes through the `runtime` of its
 * clients, so with a virtual one a test of minutes takes milliseconds, the same every time.
 *
 * @throws HOLDFAST_CONFIG_INVALID when `partitions` and `cluster` are both given.
 */
export function inMemoryDriver(options: InMemoryDriverOptions = {}): InMemoryDriver {
  const { clientId = 'in-memory', partitions } = options
  if (partitions !== undefined && options.cluster !== undefined) {
    const problems = [
      { path: 'partitions', message: 'belongs to the cluster that is given: use its autoCreatePartitions' },
    ]
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'in-memory driver: options do not fit', { problems })
  }
  const cluster =
    options.cluster ?? createInMemoryCluster(partitions === undefined ? {} : { autoCreatePartitions: partitions })
  const broker = brokerOf(cluster)
  return {
    name: 'in-memory',
    clientId,
    capabilities,
    cluster,
    createProducer(producer) {
      broker.adopt(producer.runtime)
      return createInMemoryProducer(broker, clientId, producer)
    },
    createConsumer(consumer) {
      broker.adopt(consumer.runtime)
      return createInMemoryConsumer(broker, clientId, consumer)
    },
    createAdmin(admin) {
      broker.adopt(admin.runtime)
      return createInMemoryAdmin(broker, clientId, admin)
    },
  }
}

import type {
  AssignedPartition,
  ConsumerCallbacks,
  DriverConsumer,
  DriverProducer,
  InboundBatch,
} from '../../../src/driver/index.ts'
import type { Runtime } from '../../../src/clock/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import type { OutboundRecord, TopicPartition } from '../../../src/record/index.ts'
import type { InMemoryClusterOptions, InMemoryDriver } from '../../../src/testing/index.ts'
import { createInMemoryCluster, inMemoryDriver, virtualRuntime } from '../../../src/testing/index.ts'

export const target = { topic: 'orders', partition: 0 }
export const record = (
  value: string | null,
  to: TopicPartition = target,
  key: string | null = null,
): OutboundRecord => ({
  ...to,
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers: [],
  timestamp: 1n,
})

export function setup(options: Omit<InMemoryClusterOptions, 'topics' | 'runtime'> = {}) {
  const runtime = virtualRuntime()
  const cluster = createInMemoryCluster({ topics: [{ topic: 'orders', partitions: 2 }], runtime, ...options })
  const driver = inMemoryDriver({ clientId: 'one', cluster })
  const surroundings = { runtime, logger: silentLogger }
  const texts = (): string[] => cluster.records('orders').map(({ value }) => Buffer.from(value!).toString())
  const driverOf = (clientId: string): InMemoryDriver => inMemoryDriver({ clientId, cluster })
  return { runtime, cluster, driver, driverOf, surroundings, texts }
}

export async function connected(
  driver: InMemoryDriver,
  transactionalId?: string,
  runtime: Runtime = virtualRuntime(),
): Promise<DriverProducer> {
  const options = { runtime, logger: silentLogger }
  const producer = driver.createProducer(transactionalId === undefined ? options : { ...options, transactionalId })
  await producer.connect()
  return producer
}

export const write = async (to: Pick<DriverProducer, 'produce'>, ...values: string[]): Promise<readonly string[]> => {
  const batch = { ...target, compression: 'none' as const, records: values.map((value) => record(value)) }
  const outcomes = await to.produce(batch, { timeoutMs: 1_000 })
  return outcomes.map((outcome) => (outcome.ok ? `@${outcome.offset}` : outcome.error.code))
}

export interface Heard {
  readonly consumer: DriverConsumer
  readonly events: string[]
  epoch: number
  /** Again, after a crash. */
  start(): Promise<void>
}

export async function member(
  world: ReturnType<typeof setup>,
  overrides: Partial<ConsumerCallbacks> = {},
  driver = world.driver,
): Promise<Heard> {
  const consumer = driver.createConsumer({
    ...world.surroundings,
    groupId: 'inventory',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    heartbeatIntervalMs: 1_000,
    maxWaitMs: 100,
    maxBytesPerPartition: 1_000_000,
  })
  const heard: Heard = { consumer, events: [], epoch: 0, start: () => consumer.start(['orders'], callbacks) }
  const callbacks: ConsumerCallbacks = {
    async onAssigned(partitions: readonly AssignedPartition[]) {
      heard.epoch = partitions[0]?.epoch ?? heard.epoch
      heard.events.push(`assigned ${partitions.map(({ partition }) => partition).join()}`)
      return partitions.map(({ topic, partition, committed }) => ({
        topic,
        partition,
        offset: committed?.offset ?? 0n,
      }))
    },
    async onRevoked() {
      heard.events.push('revoked')
    },
    onLost: () => void heard.events.push('lost'),
    onBatch: (batch: InboundBatch) =>
      void heard.events.push(...Array.from(batch.records, ({ value }) => Buffer.from(value!).toString())),
    onOutOfRange: () => void heard.events.push('out of range'),
    onCrash: ({ code }) => void heard.events.push(code),
    ...overrides,
  }
  await heard.start()
  await world.runtime.advance(0)
  return heard
}

export const other = (world: ReturnType<typeof setup>): InMemoryDriver =>
  inMemoryDriver({ clientId: 'two', cluster: world.cluster })

import type { Admin, KafkaConfig, Message, Producer } from 'kafkajs'
import { Kafka, logLevel } from 'kafkajs'
import { onTestFinished, vi } from 'vitest'
import { systemRuntime } from '../../../src/clock/index.ts'
import type {
  AssignedPartition,
  ConsumerCallbacks,
  DriverConsumer,
  DriverConsumerOptions,
  InboundBatch,
} from '../../../src/driver/index.ts'
import { createKafkajsConsumer } from '../../../src/driver/kafkajs/kafkajs-consumer.ts'
import { createKafkajsContext } from '../../../src/driver/kafkajs/kafkajs-context.ts'
import type { HoldfastError } from '../../../src/errors/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import type { InboundRecord, Position, TopicPartition } from '../../../src/record/index.ts'
import { uniqueName, useKafka } from '../../helpers/services.ts'

type OutOfRange = Parameters<ConsumerCallbacks['onOutOfRange']>[0]

/** What a member heard, in order. */
export type Heard =
  | { readonly kind: 'assigned'; readonly partitions: readonly AssignedPartition[]; readonly epoch: number }
  | { readonly kind: 'revoked' | 'lost'; readonly partitions: readonly TopicPartition[]; readonly epoch: number }
  | { readonly kind: 'batch'; readonly batch: InboundBatch }
  | { readonly kind: 'outOfRange'; readonly at: OutOfRange }
  | { readonly kind: 'crash'; readonly error: HoldfastError }

/** A consumer under test that writes down what it hears. */
export interface Member {
  readonly consumer: DriverConsumer
  readonly heard: Heard[]
  /** Every record delivered, in the order of delivery. */
  records(): InboundRecord[]
  values(): string[]
  /** The last assignment, once it has come. */
  epoch(): number
  owned(): readonly AssignedPartition[]
  /** Resolves as soon as it is true of what was heard; a test's timeout ends it otherwise. */
  until(condition: () => boolean): Promise<void>
  start(): Promise<void>
}

/** How a member is made. */
export interface MemberOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** @defaultValue the shared broker */
  readonly brokers?: readonly string[]
  readonly options?: Partial<DriverConsumerOptions>
  readonly config?: Partial<KafkaConfig>
  readonly callbacks?: Partial<ConsumerCallbacks>
}

/** Makes a member; it starts where the group has committed, else at 0, and is stopped with the test. */
export async function createMember({
  groupId,
  topics,
  options = {},
  config = {},
  callbacks = {},
  ...given
}: MemberOptions): Promise<Member> {
  const brokers = config.brokers ?? [...(given.brokers ?? (await useKafka()).brokers)]
  const context = createKafkajsContext({ clientId: 'test', ...config, brokers })
  const consumer = createKafkajsConsumer(context, {
    runtime: systemRuntime,
    logger: silentLogger,
    groupId,
    sessionTimeoutMs: 6_000,
    rebalanceTimeoutMs: 12_000,
    heartbeatIntervalMs: 300,
    maxWaitMs: 250,
    maxBytesPerPartition: 1_048_576,
    ...options,
  })
  onTestFinished(() => consumer.stop())
  const heard: Heard[] = []
  const waiting = new Set<() => void>()
  const note = (event: Heard): void => {
    heard.push(event)
    for (const check of waiting) check()
  }
  const listeners: ConsumerCallbacks = {
    async onAssigned(partitions) {
      const starts = callbacks.onAssigned === undefined ? startsOf(partitions) : await callbacks.onAssigned(partitions)
      note({ kind: 'assigned', partitions, epoch: partitions[0]?.epoch ?? -1 })
      return starts
    },
    async onRevoked(partitions, epoch) {
      await callbacks.onRevoked?.(partitions, epoch)
      note({ kind: 'revoked', partitions, epoch })
    },
    onLost(partitions, epoch) {
      callbacks.onLost?.(partitions, epoch)
      note({ kind: 'lost', partitions, epoch })
    },
    onBatch(batch) {
      callbacks.onBatch?.(batch)
      note({ kind: 'batch', batch })
    },
    onOutOfRange(at) {
      callbacks.onOutOfRange?.(at)
      note({ kind: 'outOfRange', at })
    },
    onCrash(error) {
      callbacks.onCrash?.(error)
      note({ kind: 'crash', error })
    },
  }
  const lastAssigned = (): Extract<Heard, { kind: 'assigned' }> | undefined =>
    heard.findLast((event): event is Extract<Heard, { kind: 'assigned' }> => event.kind === 'assigned')
  const records = (): InboundRecord[] =>
    heard.flatMap((event) => (event.kind === 'batch' ? [...event.batch.records] : []))
  return {
    consumer,
    heard,
    records,
    values: () => records().map(({ value }) => Buffer.from(value ?? []).toString()),
    epoch: () => lastAssigned()?.epoch ?? -1,
    owned: () => lastAssigned()?.partitions ?? [],
    until(condition) {
      return new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      })
    },
    start: () => consumer.start(topics, listeners),
  }
}

/** Where a group goes on: at its commits, else at the beginning. */
export function startsOf(partitions: readonly AssignedPartition[]): Position[] {
  return partitions.map(({ topic, partition, committed }) => ({ topic, partition, offset: committed?.offset ?? 0n }))
}

/** A topic and a group of the test's own, and bare kafkajs clients to write and look with. */
export interface World {
  readonly topic: string
  readonly groupId: string
  readonly brokers: readonly string[]
  readonly kafka: Kafka
  readonly admin: Admin
  readonly producer: Producer
  /** Rejects, and may be tried again, where a partition that was just made has no leader yet. */
  send(partition: number, ...values: (string | Omit<Message, 'partition'>)[]): Promise<void>
  /** What the group has committed, `partition: [offset, metadata]`, where it has. */
  committed(): Promise<Record<number, readonly [offset: string, metadata: string]>>
}

/** How a world is made. */
export interface WorldOptions {
  /** @defaultValue `1` */
  readonly partitions?: number
  readonly topicConfig?: Record<string, string>
  /** The broker that leads each partition, instead of `partitions`. */
  readonly leaders?: readonly number[]
  /** @defaultValue the shared broker */
  readonly brokers?: readonly string[]
}

/** Makes a {@link World}. */
export async function createWorld({ partitions = 1, topicConfig = {}, ...given }: WorldOptions = {}): Promise<World> {
  const brokers = given.brokers ?? (await useKafka()).brokers
  const kafka = new Kafka({ clientId: 'world', brokers: [...brokers], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  const producer = kafka.producer({
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  })
  await Promise.all([admin.connect(), producer.connect()])
  onTestFinished(async () => {
    await Promise.all([admin.disconnect(), producer.disconnect()])
  })
  const topic = uniqueName('consuming')
  const groupId = uniqueName('group')
  const configEntries = Object.entries(topicConfig).map(([name, value]) => ({ name, value }))
  const placed = given.leaders?.map((leader, partition) => ({ partition, replicas: [leader] }))
  const shape = placed === undefined ? { numPartitions: partitions } : { replicaAssignment: placed }
  const create = () => admin.createTopics({ waitForLeaders: true, topics: [{ topic, ...shape, configEntries }] })
  await vi.waitFor(create, { timeout: 10_000 }) // kafkajs' own wait gives up on a broker that has not heard of the topic yet
  return {
    topic,
    groupId,
    brokers,
    kafka,
    admin,
    producer,
    async send(partition, ...values) {
      const messages = values.map((value) => ({ partition, ...(typeof value === 'string' ? { value } : value) }))
      const written = await producer.send({ topic, messages })
      if (written.some((each) => each.partition === partition)) return
      // kafkajs drops, with success, what is for a partition whose leader it does not know, and asks for it again only when it connects.
      await producer.disconnect()
      await producer.connect()
      throw new Error(`partition ${partition} has no leader yet: nothing was sent`)
    },
    async committed() {
      const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] })
      const stored = offsets!.partitions.filter(({ offset }) => offset !== '-1')
      return Object.fromEntries(
        stored.map(({ partition, offset, metadata }) => [partition, [offset, metadata ?? ''] as const]),
      )
    },
  }
}

/** `from` to `to`, the first included, as texts. */
export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i))
}

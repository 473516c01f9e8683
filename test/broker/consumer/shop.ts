import type { Producer } from 'kafkajs'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { onTestFinished } from 'vitest'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { Consumer, ConsumerEvents } from '../../../src/consumer/index.ts'
import type { Driver, DriverAdmin } from '../../../src/driver/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import { uniqueName, useKafka } from '../../helpers/services.ts'
import { ordersTopic } from './shop-topic.ts'

/** A topic with its dead letter topic on the shared broker, and bare kafkajs to put records there. */
export interface Shop {
  readonly topic: ReturnType<typeof ordersTopic>
  readonly groupId: string
  readonly brokers: string[]
  readonly kafka: Kafka
  driver(): Driver
  readonly admin: DriverAdmin
  readonly producer: Producer
  /** Writes values to partitions in turn; answers with `partition@offset` of each. */
  write(values: readonly (Buffer | string)[], headers?: Record<string, string>): Promise<readonly string[]>
  committed(): Promise<Record<number, bigint>>
  /** All records of the dead letter topic. */
  deadLetters(): Promise<
    ReadonlyArray<{
      readonly key: Buffer | null
      readonly value: Buffer | null
      readonly headers: Record<string, string>
    }>
  >
}

export async function openShop({
  partitions,
  deadLetterSettings = {},
}: {
  partitions: number
  deadLetterSettings?: Record<string, string>
}): Promise<Shop> {
  const { brokers } = await useKafka()
  const name = uniqueName('orders')
  const groupId = uniqueName('inventory')
  const driver = (): Driver => kafkajsDriver({ clientId: 'test', brokers })
  const admin = driver().createAdmin({ runtime: systemRuntime, logger: silentLogger })
  await admin.connect()
  onTestFinished(() => admin.close())
  await admin.createTopics([
    { topic: name, partitions },
    { topic: `${name}.dlq`, partitions, settings: deadLetterSettings },
  ])
  const kafka = new Kafka({ clientId: 'bare', brokers, logLevel: logLevel.NOTHING })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  let turn = 0

  return {
    topic: ordersTopic(name),
    groupId,
    brokers,
    kafka,
    driver,
    admin,
    producer,
    async write(values, headers = {}) {
      const messages = values.map((value) => ({
        key: `k-${turn % partitions}`,
        value,
        headers,
        partition: turn++ % partitions,
      }))
      const places: string[] = []
      for (let partition = 0; partition < partitions; partition++) {
        const mine = messages.filter((message) => message.partition === partition)
        if (mine.length === 0) continue
        const [result] = await producer.send({ topic: name, acks: -1, messages: mine })
        mine.forEach((_, i) => places.push(`${partition}@${BigInt(result!.baseOffset!) + BigInt(i)}`))
      }
      return places
    },
    async committed() {
      const offsets = await admin.committedOffsets(groupId, [name])
      return Object.fromEntries(offsets.map(({ partition, offset }) => [partition, offset]))
    },
    async deadLetters() {
      const ranges = await admin.offsetRanges(`${name}.dlq`)
      const expected = ranges.reduce((sum, { earliest, latest }) => sum + Number(latest - earliest), 0)
      const consumer = kafka.consumer({ groupId: uniqueName('reader') })
      await consumer.connect()
      await consumer.subscribe({ topic: `${name}.dlq`, fromBeginning: true })
      const letters: { key: Buffer | null; value: Buffer | null; headers: Record<string, string> }[] = []
      await new Promise<void>((resolve) => {
        if (expected === 0) resolve()
        void consumer.run({
          eachMessage: async ({ message }) => {
            const headers = Object.fromEntries(
              Object.entries(message.headers ?? {}).map(([key, value]) => [key, String(value)]),
            )
            letters.push({ key: message.key, value: message.value, headers })
            if (letters.length === expected) resolve()
          },
        })
      })
      await consumer.disconnect()
      return letters
    },
  }
}

/** Resolves when the condition holds, looking whenever the consumer tells something; the test's timeout ends it otherwise. */
export function until(
  consumer: Consumer,
  condition: () => boolean,
  on: readonly (keyof ConsumerEvents)[] = ['handled', 'committed', 'parked', 'paused', 'resumed', 'skipped'],
): Promise<void> {
  return new Promise((resolve) => {
    const stops: (() => void)[] = []
    const check = (): void => {
      if (!condition()) return
      for (const stop of stops) stop()
      resolve()
    }
    for (const name of on) stops.push(consumer.listen(name, check))
    check()
  })
}

/** Follows what a consumer has committed, by partition. */
export function commitsOf(consumer: Consumer): Map<number, bigint> {
  const commits = new Map<number, bigint>()
  consumer.listen('committed', ({ positions }) => {
    for (const { partition, offset } of positions) commits.set(partition, offset)
  })
  return commits
}

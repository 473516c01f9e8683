import { onTestFinished } from 'vitest'
import { z } from 'zod'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { Consumer, ConsumerEvents } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { DeadLetter } from '../../../src/dlq/index.ts'
import { deadLetters } from '../../../src/dlq/index.ts'
import type { Driver, DriverAdmin } from '../../../src/driver/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import { noTelemetry } from '../../../src/telemetry/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import { uniqueName, useKafka } from '../../helpers/services.ts'
import { TIMING } from '../consumer/shop-topic.ts'

/** What a good message of these tests is; what else a value holds is let through, so that hostile names reach the schema. */
export const entrySchema = z.looseObject({ id: z.string().min(1), amount: z.number().optional() })

/** A topic with its dead letter topic, one partition each, on the shared broker. */
export interface World {
  readonly brokers: readonly string[]
  readonly topic: ReturnType<typeof topicNamed>
  readonly groupId: string
  readonly driver: Driver
  readonly admin: DriverAdmin
  /** How many records were ever written to a topic's one partition. */
  endOf(topic: string): Promise<bigint>
  committed(): Promise<bigint | undefined>
  /** The dead letters of the topic, by the offset that their record had on it. */
  deadLettersByOrigin(): Promise<ReadonlyMap<bigint, DeadLetter>>
}

export async function openWorld({
  settings = {},
  deadLetterSettings = {},
}: {
  readonly settings?: Readonly<Record<string, string>>
  readonly deadLetterSettings?: Readonly<Record<string, string>>
} = {}): Promise<World> {
  const { brokers } = await useKafka()
  const name = uniqueName('entries')
  const driver = kafkajsDriver({ clientId: 'bad-input', brokers })
  const admin = driver.createAdmin({ runtime: systemRuntime, logger: silentLogger })
  await admin.connect()
  onTestFinished(() => admin.close())
  await admin.createTopics([
    { topic: name, partitions: 1, settings },
    { topic: `${name}.dlq`, partitions: 1, settings: deadLetterSettings },
  ])
  const groupId = uniqueName('readers')
  const endOf = async (topic: string): Promise<bigint> => (await admin.offsetRanges(topic))[0]!.latest

  return {
    brokers,
    topic: topicNamed(name),
    groupId,
    driver,
    admin,
    endOf,
    committed: async () => (await admin.committedOffsets(groupId, [name]))[0]?.offset,
    async deadLettersByOrigin() {
      const end = await endOf(`${name}.dlq`)
      const letters = new Map<bigint, DeadLetter>()
      if (end === 0n) return letters
      const reader = createConsumer({ driver, groupId: uniqueName('letters'), telemetry: noTelemetry, ...TIMING }).on(
        deadLetters(name),
        ({ value: letter }) => {
          if (letter.kind === 'dead-letter') letters.set(letter.origin.offset, letter)
        },
      )
      await reader.start()
      await committedUpTo(reader, end)
      await reader.close()
      return letters
    },
  }
}

export function topicNamed(name: string) {
  return defineTopic({ name, schema: entrySchema, key: (entry) => entry.id })
}

/** Resolves when the consumer has committed this offset on its one partition. */
export function committedUpTo(consumer: Consumer, offset: bigint): Promise<void> {
  return new Promise((resolve) => {
    const stop = consumer.listen('committed', ({ positions }) => {
      if (!positions.some((position) => position.offset >= offset)) return
      stop()
      resolve()
    })
  })
}

/** Resolves with the next event of this name. */
export function nextEvent<Name extends keyof ConsumerEvents>(
  consumer: Consumer,
  name: Name,
): Promise<ConsumerEvents[Name]> {
  return new Promise((resolve) => {
    const stop = consumer.listen(name, (event) => {
      stop()
      resolve(event)
    })
  })
}

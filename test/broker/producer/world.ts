import { z } from 'zod'
import { systemRuntime } from '../../../src/clock/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import type { Producer, ProducerOptions } from '../../../src/producer/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import type { SendableTopic } from '../../../src/topic/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import { uniqueName } from '../../helpers/services.ts'

/** What the tests send: a number under a key, with as much more as they like. */
export interface Numbered {
  readonly key: string
  readonly n: number
  readonly filler?: string | undefined
}

/** A new topic on the broker. */
export async function newTopic(
  brokers: string[],
  partitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<SendableTopic<Numbered, Numbered>> {
  const name = uniqueName('numbers')
  const admin = kafkajsDriver({ clientId: 'numbers-admin', brokers }).createAdmin({
    runtime: systemRuntime,
    logger: silentLogger,
  })
  await admin.connect()
  await admin.createTopics([{ topic: name, partitions, settings }])
  await admin.close()
  return defineTopic({
    name,
    schema: z.object({ key: z.string(), n: z.number(), filler: z.string().optional() }),
    key: (value) => value.key,
  })
}

/** A producer on kafkajs. */
export function ourProducer(brokers: string[], options: Partial<ProducerOptions> = {}): Producer {
  return createProducer({ driver: kafkajsDriver({ clientId: 'numbers', brokers }), ...options })
}

export { failureOf } from '../../helpers/failure-of.ts'

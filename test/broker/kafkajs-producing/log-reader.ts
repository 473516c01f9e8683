import { randomBytes } from 'node:crypto'
import kafkajs from 'kafkajs'
import type { Admin, ISocketFactory, ITopicConfig, Kafka } from 'kafkajs'

/** kafkajs as a user without Holdfast has it, with patience that fits a test. */
export function bareKafka(brokers: readonly string[], socketFactory?: ISocketFactory): Kafka {
  return new kafkajs.Kafka({
    ...(socketFactory === undefined ? {} : { socketFactory }),
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 10 },
  })
}

/** Runs with a bare admin client. */
export async function withAdmin<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = bareKafka(brokers).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

/**
 * Makes a topic, and comes back when its leaders serve it and the brokers that were asked, by chance ten times in a row, all know
 * it. Before, a first batch may be answered with NOT_LEADER_FOR_PARTITION, which rightly leaves a doubt that tests do not expect.
 */
export async function createTopic(brokers: readonly string[], config: ITopicConfig): Promise<string> {
  await withAdmin(brokers, async (admin) => {
    await admin.createTopics({ waitForLeaders: false, topics: [config] })
    for (let inARow = 0; inARow < 10; inARow++) {
      await admin.fetchTopicMetadata({ topics: [config.topic] }).catch(() => (inARow = -1))
      await admin.fetchTopicOffsets(config.topic).catch(() => (inARow = -1))
    }
  })
  return config.topic
}

/** Deletes a topic, and comes back when the brokers have heard of it. */
export async function deleteTopic(brokers: readonly string[], topic: string): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    await admin.deleteTopics({ topics: [topic] })
    for (let isThere = true; isThere;) {
      isThere = await admin.fetchTopicMetadata({ topics: [topic] }).then(
        () => true,
        () => false,
      )
    }
  })
}

/** One record as a reader of committed records sees it. */
export interface SeenRecord {
  readonly partition: number
  readonly offset: string
  readonly value: string
  readonly headers: Readonly<Record<string, unknown>>
}

/**
 * Everything on a topic, as a reader of committed records gets it, in offset order for each partition. A sentinel written to
 * every partition marks the end: waiting for the last offset would not do where the log ends with a transaction's marker.
 */
export async function readTopic(brokers: readonly string[], topic: string): Promise<SeenRecord[]> {
  const sentinel = `sentinel-${randomBytes(4).toString('hex')}`
  const kafka = bareKafka(brokers)
  const partitions = await withAdmin(brokers, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0]!.partitions.map(({ partitionId }) => partitionId)
  })
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  for (const partition of partitions) await producer.send({ topic, messages: [{ partition, value: sentinel }] })
  await producer.disconnect()

  const seen: SeenRecord[] = []
  const open = new Set(partitions)
  const consumer = kafka.consumer({ groupId: `reader-${sentinel}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    const take = async (partition: number, message: kafkajs.KafkaMessage): Promise<void> => {
      const value = message.value?.toString() ?? ''
      if (value === sentinel) open.delete(partition)
      else if (!value.startsWith('sentinel-')) {
        seen.push({ partition, offset: message.offset, value, headers: { ...message.headers } })
      }
      if (open.size === 0) resolve()
    }
    consumer.run({ autoCommit: false, eachMessage: ({ partition, message }) => take(partition, message) }).catch(reject)
  })
  await consumer.disconnect()
  return seen.toSorted((a, b) => a.partition - b.partition || (BigInt(a.offset) < BigInt(b.offset) ? -1 : 1))
}

/** How often each value is on the log. */
export function countValues(seen: readonly SeenRecord[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { value } of seen) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

import type { Admin } from 'kafkajs'
import { HoldfastError } from '../../errors/index.ts'
import type { DriverAdmin } from '../driver-admin.ts'
import type { DriverSurroundings } from '../driver.ts'
import { deadlineIn, LATE } from './deadline.ts'
import type { KafkajsContext } from './kafkajs-context.ts'
import { readFailure, toHoldfastError } from './kafkajs-errors.ts'
import { bridgeLogs } from './kafkajs-logs.ts'

/**
 * The admin client over kafkajs. Every question may be asked twice; a topic that exists already is no error, so that
 * `createTopics` may be called again after an answer that never came.
 */
export function createKafkajsAdmin(context: KafkajsContext, { runtime, logger }: DriverSurroundings): DriverAdmin {
  const { clock } = runtime
  const kafka = context.newKafka({ logCreator: bridgeLogs(logger, context.config) })
  const admin = kafka.admin({ retry: { retries: 3, initialRetryTime: 50, maxRetryTime: 500 } })
  let connecting: Promise<void> | undefined

  function connect(): Promise<void> {
    connecting ??= admin.connect().catch((error: unknown) => {
      connecting = undefined
      throw error
    })
    return connecting
  }

  /** Asks until somebody answers, at most for {@link ASK_TIMEOUT_MS}: a broker that restarts is gone for seconds. */
  async function ask<T>(subject: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    const deadline = deadlineIn(clock, ASK_TIMEOUT_MS)
    let failure: HoldfastError | undefined
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        const answer = await deadline.race(connect().then(() => question(admin)))
        if (answer !== LATE) return answer
      } catch (error) {
        failure = toHoldfastError(error, 'admin', subject)
        if (failure.code !== 'HOLDFAST_UNAVAILABLE') throw failure
      }
      if (deadline.left() <= waitMs) {
        throw failure ?? new HoldfastError('HOLDFAST_UNAVAILABLE', `nobody answered about ${subject}`, { retriable: true })
      }
      await deadline.pause(waitMs)
    }
  }

  /** One topic a question: kafkajs answers for none of them when one does not exist. */
  function partitionCount(topic: string): Promise<number | undefined> {
    return ask(topic, async (client) => {
      try {
        const { topics } = await client.fetchTopicMetadata({ topics: [topic] })
        return topics.find(({ name }) => name === topic)?.partitions.length
      } catch (error) {
        const { type } = readFailure(error)
        if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'INVALID_TOPIC_EXCEPTION') return undefined
        throw error
      }
    })
  }

  function leadersOf(topic: string): Promise<void> {
    return ask(topic, async (client) => {
      try {
        await client.fetchTopicMetadata({ topics: [topic] }) // refuses as long as one partition has no leader
      } catch (error) {
        if (readFailure(error).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
        throw new HoldfastError('HOLDFAST_UNAVAILABLE', `${topic} is not known to every broker yet`, { retriable: true })
      }
    })
  }

  return {
    connect: () => ask('the connection', () => Promise.resolve()),
    async partitionCounts(topics) {
      const counts = new Map<string, number>()
      for (const topic of new Set(topics)) {
        const count = await partitionCount(topic)
        if (count !== undefined && count > 0) counts.set(topic, count)
      }
      return counts
    },
    async createTopics(topics) {
      for (const { topic, partitions = 1, replicationFactor, settings = {} } of topics) {
        await ask(topic, (client) =>
          client.createTopics({
            waitForLeaders: false, // its wait gives up at once when the asked broker has not heard of the topic yet
            timeout: CREATE_TIMEOUT_MS,
            topics: [
              {
                topic,
                numPartitions: partitions,
                replicationFactor: replicationFactor ?? BROKER_DEFAULT,
                configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
              },
            ],
          }),
        )
      }
      for (const { topic } of topics) await leadersOf(topic)
    },
    async offsetRanges(topic) {
      const ranges = await ask(topic, (client) => client.fetchTopicOffsets(topic))
      return ranges
        .map(({ partition, low, high }) => ({ partition, earliest: BigInt(low), latest: BigInt(high) }))
        .toSorted(byPartition)
    },
    async offsetsAt(topic, timestampMs) {
      const offsets = await ask(topic, (client) => client.fetchTopicOffsetsByTimestamp(topic, timestampMs))
      return offsets.map(({ partition, offset }) => ({ topic, partition, offset: BigInt(offset) })).toSorted(byPartition)
    },
    async committedOffsets(groupId, topics) {
      if (topics.length === 0) return [] // to kafkajs an empty list means every topic of the group
      const fetched = await ask(`group ${groupId}`, (client) => client.fetchOffsets({ groupId, topics: [...topics] }))
      return fetched.flatMap(({ topic, partitions }) =>
        partitions
          .filter(({ offset }) => BigInt(offset) >= 0n) // -1 stands for no commit
          .map(({ partition, offset, metadata }) => ({ topic, partition, offset: BigInt(offset), metadata: metadata ?? '' })),
      )
    },
    async close() {
      await admin.disconnect().catch(() => {})
    },
  }
}

function byPartition(a: { readonly partition: number }, b: { readonly partition: number }): number {
  return a.partition - b.partition
}

/** How long a question may take in all: twice `request.timeout.ms` of Kafka's own clients, so that one can be lost. */
const ASK_TIMEOUT_MS = 60_000

/** How long the controller may take to make a topic. */
const CREATE_TIMEOUT_MS = 30_000

/** Kafka's word for "as the broker is configured" (KIP-464, brokers from 2.4 on). */
const BROKER_DEFAULT = -1

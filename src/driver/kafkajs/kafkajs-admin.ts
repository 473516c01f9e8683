import type { Admin } from 'kafkajs'
import { HoldfastError } from '../../errors/index.ts'
import type { DriverAdmin } from '../driver-admin.ts'
import type { DriverSurroundings } from '../driver.ts'
import { createAdminClient } from './admin-client.ts'
import { deadlineIn } from './deadline.ts'
import type { KafkajsContext } from './kafkajs-context.ts'
import { readFailure } from './kafkajs-errors.ts'

/**
 * The admin client over kafkajs. Every question may be asked twice; a topic that exists already is no error, so that
 * `createTopics` may be called again after an answer that never came.
 */
export function createKafkajsAdmin(context: KafkajsContext, surroundings: DriverSurroundings): DriverAdmin {
  const client = createAdminClient(context, surroundings)

  function ask<T>(subject: string, question: (admin: Admin) => Promise<T>, patienceMs?: number): Promise<T> {
    return client.ask(subject, deadlineIn(surroundings.runtime.clock, ASK_TIMEOUT_MS), question, patienceMs)
  }

  /** One topic a question: kafkajs answers for none of them when one does not exist. */
  function partitionCount(topic: string): Promise<number | undefined> {
    return ask(topic, async (admin) => {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
        return topics.find(({ name }) => name === topic)?.partitions.length
      } catch (error) {
        const { type } = readFailure(error)
        if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'INVALID_TOPIC_EXCEPTION') return undefined
        throw error
      }
    })
  }

  function leadersOf(topic: string): Promise<void> {
    return ask(topic, async (admin) => {
      try {
        await admin.fetchTopicMetadata({ topics: [topic] }) // refuses as long as one partition has no leader
      } catch (error) {
        if (readFailure(error).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
        throw new HoldfastError('HOLDFAST_UNAVAILABLE', `${topic} is not known to every broker yet`, {
          retriable: true,
        })
      }
    })
  }

  /** kafkajs answers for none of the topics when one does not exist; the others are asked for by themselves then. */
  async function fetchOffsets(admin: Admin, groupId: string, topics: readonly string[]): Promise<FetchedOffsets> {
    try {
      return await admin.fetchOffsets({ groupId, topics: [...topics] })
    } catch (error) {
      if (readFailure(error).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    }
    if (topics.length === 1) return [] // a group forgets what it has committed for a topic that is deleted
    const found: FetchedOffsets[] = []
    for (const topic of topics) found.push(await fetchOffsets(admin, groupId, [topic]))
    return found.flat()
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
        const make = (admin: Admin): Promise<boolean> =>
          admin.createTopics({
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
          })
        await ask(topic, make, CREATE_TIMEOUT_MS)
      }
      for (const { topic } of topics) await leadersOf(topic)
    },
    async offsetRanges(topic) {
      const ranges = await ask(topic, (admin) => admin.fetchTopicOffsets(topic))
      return ranges
        .map(({ partition, low, high }) => ({ partition, earliest: BigInt(low), latest: BigInt(high) }))
        .toSorted(byPartition)
    },
    async offsetsAt(topic, timestampMs) {
      const offsets = await ask(topic, (admin) => admin.fetchTopicOffsetsByTimestamp(topic, timestampMs))
      return offsets
        .map(({ partition, offset }) => ({ topic, partition, offset: BigInt(offset) }))
        .toSorted(byPartition)
    },
    async committedOffsets(groupId, topics) {
      if (topics.length === 0) return [] // to kafkajs an empty list means every topic of the group
      const fetched = await ask(`group ${groupId}`, (admin) => fetchOffsets(admin, groupId, topics))
      return fetched.flatMap(({ topic, partitions }) =>
        partitions
          .filter(({ offset }) => BigInt(offset) >= 0n) // -1 stands for no commit
          .map(({ partition, offset, metadata }) => ({
            topic,
            partition,
            offset: BigInt(offset),
            metadata: metadata ?? '',
          })),
      )
    },
    close: () => client.close(),
  }
}

type FetchedOffsets = Awaited<ReturnType<Admin['fetchOffsets']>>

function byPartition(a: { readonly partition: number }, b: { readonly partition: number }): number {
  return a.partition - b.partition
}

/** How long a question may take in all: twice `request.timeout.ms` of Kafka's own clients, so that one can be lost. */
const ASK_TIMEOUT_MS = 60_000

/** How long the controller may take to make a topic. */
const CREATE_TIMEOUT_MS = 30_000

/** Kafka's word for "as the broker is configured" (KIP-464, brokers from 2.4 on). */
const BROKER_DEFAULT = -1

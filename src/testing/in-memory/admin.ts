import type { DriverAdmin, DriverSurroundings } from '../../driver/index.ts'
import type { Broker } from './broker.ts'
import { patiently } from './patiently.ts'

/** Makes an admin of the in-memory driver. */
export function createInMemoryAdmin(broker: Broker, clientId: string, { runtime }: DriverSurroundings): DriverAdmin {
  const ask = <T>(work: () => T): Promise<T> => patiently(runtime.clock, () => broker.request(clientId, work))
  return {
    connect: () => ask(() => {}),
    partitionCounts: (topics) =>
      ask(() => new Map(topics.filter(broker.hasTopic).map((topic) => [topic, broker.topic(topic).length]))),
    createTopics: (topics) => ask(() => topics.forEach(broker.createTopic)),
    offsetRanges: (topic) =>
      ask(() => broker.topic(topic).map(({ partition, start, end }) => ({ partition, earliest: start, latest: end }))),
    offsetsAt: (topic, timestampMs) =>
      ask(() => {
        const time = BigInt(Math.ceil(timestampMs))
        return broker.topic(topic).map((log) => ({ topic, partition: log.partition, offset: log.offsetAt(time) }))
      }),
    committedOffsets: (groupId, topics) =>
      ask(() =>
        broker
          .group(groupId)
          .fetchCommitted()
          .filter(({ topic }) => topics.includes(topic)),
      ),
    close: async () => {},
  }
}

import type { InMemoryClusterOptions } from '../../src/testing/index.ts'
import { createInMemoryCluster, inMemoryDriver, virtualRuntime } from '../../src/testing/index.ts'
import type { ConformanceEnvironment } from './environment.ts'

/** The in-memory driver, on a cluster of its own for each test, in virtual time. */
export function inMemoryEnvironment({
  latencyMs,
  rebalance = 'eager',
}: Pick<InMemoryClusterOptions, 'rebalance'> & { readonly latencyMs: number }): ConformanceEnvironment {
  return {
    name: `the in-memory driver, with ${latencyMs} ms between client and cluster, ${rebalance},`,
    capabilities: inMemoryDriver().capabilities,
    rebalance,
    faults: {
      deleteRecordsBefore: true,
      skipOffsetsTo: true,
      addPartitions: true,
      expireSessions: true,
      crashConsumers: true,
      deleteTopic: true,
      compact: true,
      loseNextProduceAnswers: true,
      coordinatorLoading: true,
    },
    async create() {
      const runtime = virtualRuntime()
      const cluster = createInMemoryCluster({ runtime, latencyMs, rebalance })
      let names = 0
      return {
        driver: inMemoryDriver({ clientId: 'one', cluster }),
        otherDriver: inMemoryDriver({ clientId: 'two', cluster }),
        runtime,
        async topic(partitions, settings = {}) {
          const topic = `topic-${++names}`
          cluster.createTopic({ topic, partitions, settings })
          return topic
        },
        group: () => `name-${++names}`,
        faults: {
          deleteRecordsBefore: async (position) => cluster.deleteRecordsBefore(position),
          skipOffsetsTo: async (position) => cluster.skipOffsetsTo(position),
          addPartitions: async (topic, count) => cluster.addPartitions(topic, count),
          async expireSessions(groupId, clientId) {
            for (const member of cluster.members(groupId)) {
              if (clientId === undefined || member.clientId === clientId)
                cluster.expireSession(groupId, member.memberId)
            }
          },
          deleteTopic: async (topic) => cluster.deleteTopic(topic),
          compact: async (topic) => cluster.compact(topic),
          async loseNextProduceAnswers(topic, count) {
            for (let i = 0; i < count; i++) cluster.failNextProduce(topic, 'answer-lost')
          },
          coordinatorLoading: async (groupId, on) => cluster.coordinatorLoading(groupId, on),
          crashConsumers: async (groupId) => cluster.crashConsumer(groupId),
        },
        run: runtime.run,
        close: async () => {},
      }
    },
  }
}

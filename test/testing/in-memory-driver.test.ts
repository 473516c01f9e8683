import { describe, test } from 'vitest'
import { createInMemoryCluster, driverConformance, inMemoryDriver, virtualRuntime } from '../../src/testing/index.ts'

for (const latencyMs of [0, 3]) {
  driverConformance({
    name: `the in-memory driver, with ${latencyMs} ms between client and cluster,`,
    describe,
    test,
    capabilities: inMemoryDriver().capabilities,
    faults: ['deleteRecordsBefore', 'skipOffsetsTo', 'addPartitions', 'expireSessions', 'crashConsumers'],
    async create() {
      const runtime = virtualRuntime()
      const cluster = createInMemoryCluster({ runtime, latencyMs })
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
          expireSessions: async (groupId) => cluster.expireSession(groupId),
          crashConsumers: async (groupId) => cluster.crashConsumer(groupId),
        },
        run: runtime.run,
        close: async () => {},
      }
    },
  })
}

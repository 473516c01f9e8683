import { Kafka, logLevel } from 'kafkajs'
import { describe, test } from 'vitest'
import { systemRuntime } from '../../src/clock/index.ts'
import { kafkajsDriver } from '../../src/driver/kafkajs/index.ts'
import { silentLogger } from '../../src/logger/index.ts'
import { driverConformance } from '../../src/testing/index.ts'
import { uniqueName, useKafka } from '../helpers/services.ts'

driverConformance({
  name: 'the kafkajs driver',
  describe,
  test,
  capabilities: kafkajsDriver({ clientId: 'conformance', brokers: ['127.0.0.1:1'] }).capabilities,
  faults: ['deleteRecordsBefore', 'addPartitions'],
  boundMs: 40_000,
  async create() {
    const { brokers } = await useKafka()
    const admin = new Kafka({ clientId: 'conformance-operator', brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const driver = kafkajsDriver({ clientId: 'conformance-one', brokers })
    const topics = driver.createAdmin({ runtime: systemRuntime, logger: silentLogger }) // kafkajs' own returns before a topic has leaders
    await topics.connect()
    return {
      driver,
      otherDriver: kafkajsDriver({ clientId: 'conformance-two', brokers }),
      runtime: systemRuntime,
      async topic(partitions, settings = {}) {
        const topic = uniqueName('conformance')
        const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
        await admin.createTopics({
          topics: [{ topic, numPartitions: partitions, configEntries }],
          waitForLeaders: true,
        })
        return topic
      },
      group: () => uniqueName('conformance'),
      faults: {
        async deleteRecordsBefore({ topic, partition, offset }) {
          await admin.fetchTopicOffsets(topic) // kafkajs looks for the leader in what it happens to know
          await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: offset.toString() }] })
        },
        async addPartitions(topic, count) {
          await admin.createPartitions({ topicPartitions: [{ topic, count }] })
        },
      },
      async close() {
        await topics.close()
        await admin.disconnect()
      },
    }
  },
})

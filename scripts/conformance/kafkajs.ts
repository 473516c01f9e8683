import { randomBytes } from 'node:crypto'
import kafkajs from 'kafkajs'
import { systemRuntime } from '../../src/clock/index.ts'
import { kafkajsDriver } from '../../src/driver/kafkajs/index.ts'
import { silentLogger } from '../../src/logger/index.ts'
import type { ConformanceEnvironment } from './environment.ts'
import { createAnswerLoser } from './answer-loser.ts'
import { isCompacted } from './compacted.ts'
import { createGroupOperator } from './group-operator.ts'
import { createHeartbeatSpoiler } from './heartbeat-spoiler.ts'

/** kafkajs on a real broker, which tests share: topics, groups and transactional ids are each test's own. */
export function kafkajsEnvironment(brokers: () => Promise<string[]>): ConformanceEnvironment {
  return {
    name: 'the kafkajs driver',
    capabilities: kafkajsDriver({ clientId: 'conformance', brokers: ['127.0.0.1:1'] }).capabilities,
    faults: {
      deleteRecordsBefore: true,
      skipOffsetsTo: 'a broker gives offsets out one by one, and nobody appends 2^53 records',
      addPartitions: true,
      expireSessions: true,
      crashConsumers: true,
      deleteTopic: true,
      compact: true,
      loseNextProduceAnswers: true,
      coordinatorLoading:
        'a broker loads when it takes a group over, for as long as that takes, and this cluster has one broker',
    },
    boundMs: 40_000,
    async create() {
      const addresses = await brokers()
      const kafka = new kafkajs.Kafka({
        clientId: 'conformance-operator',
        brokers: addresses,
        logLevel: kafkajs.logLevel.NOTHING,
      })
      const admin = kafka.admin()
      await admin.connect()
      const operator = createGroupOperator(kafka)
      const heartbeats = createHeartbeatSpoiler()
      const answers = createAnswerLoser()
      const socketFactory = answers.wrap(heartbeats.socketFactory)
      const driverOf = (clientId: string) => kafkajsDriver({ clientId, brokers: addresses, socketFactory })
      const driver = driverOf('conformance-one')
      const topics = driver.createAdmin({ runtime: systemRuntime, logger: silentLogger }) // kafkajs' own returns before a topic has leaders
      await topics.connect()
      return {
        driver,
        otherDriver: driverOf('conformance-two'),
        runtime: systemRuntime,
        async topic(partitions, settings = {}) {
          const topic = uniqueName()
          await topics.createTopics([{ topic, partitions, settings }])
          return topic
        },
        group: uniqueName,
        faults: {
          async deleteRecordsBefore({ topic, partition, offset }) {
            await admin.fetchTopicOffsets(topic) // kafkajs looks for the leader in what it happens to know
            await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: offset.toString() }] })
          },
          async addPartitions(topic, count) {
            await admin.createPartitions({ topicPartitions: [{ topic, count }] })
            // The controller has answered; the broker hears of it a moment later.
            while ((await topics.partitionCounts([topic])).get(topic) !== count) await systemRuntime.clock.sleep(20)
          },
          async deleteTopic(topic) {
            await admin.deleteTopics({ topics: [topic] })
            while ((await topics.partitionCounts([topic])).has(topic)) await systemRuntime.clock.sleep(20)
          },
          async compact(topic) {
            while (!(await isCompacted(kafka, topic))) await systemRuntime.clock.sleep(250)
          },
          async loseNextProduceAnswers(topic, count) {
            answers.lose(topic, count)
          },
          expireSessions: operator.removeMembers,
          async crashConsumers(groupId) {
            heartbeats.spoil(groupId)
          },
        },
        async close() {
          await operator.close()
          await topics.close()
          await admin.disconnect()
        },
      }
    },
  }
}

function uniqueName(): string {
  return `conformance-${randomBytes(5).toString('hex')}`
}

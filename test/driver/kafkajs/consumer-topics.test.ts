import { expect, test } from 'vitest'
import { watchTopics } from '../../../src/driver/kafkajs/consumer-topics.ts'

const failure = (type: string): Error => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type })

test.each(['refreshMetadata', 'refreshMetadataIfNecessary'] as const)(
  'tells of a topic that %s does not find, and lets kafkajs hear it as well',
  async (name) => {
    const told: unknown[] = []
    const missing = async (): Promise<void> => {
      throw failure('UNKNOWN_TOPIC_OR_PARTITION')
    }
    const cluster = { refreshMetadata: missing, refreshMetadataIfNecessary: missing }
    watchTopics(cluster, (error) => told.push(error))
    await expect(cluster[name]()).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(told).toHaveLength(1)
  },
)

test('keeps silent about a look-up that works, and about one that fails otherwise', async () => {
  const told: unknown[] = []
  const cluster = {
    refreshMetadata: async (): Promise<void> => {},
    refreshMetadataIfNecessary: async (): Promise<void> => {
      throw failure('LEADER_NOT_AVAILABLE')
    },
  }
  watchTopics(cluster, (error) => told.push(error))
  await cluster.refreshMetadata()
  await expect(cluster.refreshMetadataIfNecessary()).rejects.toMatchObject({ type: 'LEADER_NOT_AVAILABLE' })
  expect(told).toEqual([])
})

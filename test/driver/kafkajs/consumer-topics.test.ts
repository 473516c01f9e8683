import type { Broker } from 'kafkajs'
import { expect, test } from 'vitest'
import { watchTopics } from '../../../src/driver/kafkajs/consumer-topics.ts'

const failure = (type: string): Error => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type })

const findBroker = async (): Promise<Broker> => ({ fetch: async () => ({}) }) as unknown as Broker

test.each(['refreshMetadata', 'refreshMetadataIfNecessary'] as const)(
  'tells of a topic that %s does not find, and lets kafkajs hear it as well',
  async (name) => {
    const told: unknown[] = []
    const missing = async (): Promise<void> => {
      throw failure('UNKNOWN_TOPIC_OR_PARTITION')
    }
    const cluster = { refreshMetadata: missing, refreshMetadataIfNecessary: missing, findBroker }
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
    findBroker,
  }
  watchTopics(cluster, (error) => told.push(error))
  await cluster.refreshMetadata()
  await expect(cluster.refreshMetadataIfNecessary()).rejects.toMatchObject({ type: 'LEADER_NOT_AVAILABLE' })
  expect(told).toEqual([])
})

/** Fetches that end with these, one after the other; undefined is one that works. */
async function fetchAll(...ends: (Error | undefined)[]): Promise<readonly unknown[]> {
  const told: unknown[] = []
  let next = 0
  const broker = {
    fetch: async () => {
      const end = ends[next++]
      if (end !== undefined) throw end
      return {}
    },
  } as unknown as Broker
  const lookUp = async (): Promise<void> => {}
  const cluster = { refreshMetadata: lookUp, refreshMetadataIfNecessary: lookUp, findBroker: async () => broker }
  watchTopics(cluster, (error) => told.push(error))
  for (const end of ends) {
    const found = await cluster.findBroker()
    const fetched = found.fetch({} as Parameters<Broker['fetch']>[0])
    expect(await fetched.catch((error: unknown) => error)).toEqual(end ?? {})
  }
  return told
}

const GONE = failure('UNKNOWN_TOPIC_OR_PARTITION')

test('tells of a topic that a fetch does not find any more, each time once, though kafkajs would look it up and may find the next one', async () => {
  expect(await fetchAll(undefined, GONE)).toEqual([GONE])
})

test('keeps silent about a fetch that meets a broker which has not heard of the new topic yet, and about a moved partition', async () => {
  expect(await fetchAll(GONE, undefined, failure('NOT_LEADER_FOR_PARTITION'))).toEqual([])
})

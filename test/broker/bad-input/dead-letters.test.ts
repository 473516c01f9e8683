import { ConfigResourceTypes } from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { createConsumer } from '../../../src/consumer/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { TIMING } from '../consumer/shop-topic.ts'
import { deleteTopic, withAdmin } from '../kafkajs-producing/log-reader.ts'
import { openRawWriter } from './raw-records.ts'
import { committedUpTo, nextEvent, openWorld } from './world.ts'

const LIMIT = 20_000
const KEY = Buffer.from('k')
/** JSON of so many bytes. */
const sized = (length: number): Buffer => Buffer.from(`{"id":"${'x'.repeat(length - 9)}"}`)
const poison = { key: KEY, value: Buffer.from('no JSON'), headers: [] }

test('a dead letter that is too large with our headers loses its stack, then its message; one that still is waits for the limit and is not tried without end', async () => {
  const settings = { 'max.message.bytes': String(LIMIT) }
  const world = await openWorld({ settings, deadLetterSettings: settings })
  const { topic } = world
  const writer = await openRawWriter(world.brokers)
  const values = [sized(LIMIT - 12_000), sized(LIMIT - 3_500), sized(LIMIT - 1_500), sized(LIMIT - 100)]
  for (const value of values) await writer.write(topic.name, { key: KEY, value, headers: [] })
  await writer.write(topic.name, { key: KEY, value: Buffer.from('{"id":"after"}'), headers: [] })
  const calls: bigint[] = []
  const consumer = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING }).on(
    topic,
    ({ value }, { offset }) => {
      calls.push(offset)
      if (value.id === 'after') return
      const error = new Error('m'.repeat(2_000))
      error.stack = `Error: ${'s'.repeat(10_000)}`
      throw error
    },
    { retry: { maxAttempts: 1 } },
  )
  onTestFinished(() => consumer.close())
  const [paused, before] = [nextEvent(consumer, 'paused'), committedUpTo(consumer, 3n)]
  await consumer.start()
  const { reason } = await paused
  await before
  expect(reason).toContain(`${topic.name}[0]@3 cannot be parked on ${topic.name}.dlq (HOLDFAST_RECORD_TOO_LARGE)`)
  expect(consumer.health()).toMatchObject({ status: 'unhealthy', reasons: [expect.stringContaining('@3 cannot be')] })
  expect({ calls, end: await world.endOf(`${topic.name}.dlq`), committed: await world.committed() }).toEqual({
    calls: [0n, 1n, 2n, 3n],
    end: 3n,
    committed: 3n,
  })

  const done = committedUpTo(consumer, 5n)
  await withAdmin(world.brokers, (admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name: `${topic.name}.dlq`,
          configEntries: [{ name: 'max.message.bytes', value: String(2 * LIMIT) }],
        },
      ],
    }),
  )
  await done
  expect(consumer.health()).toMatchObject({ status: 'healthy', reasons: [] })
  await consumer.close()
  expect(calls).toEqual([0n, 1n, 2n, 3n, 4n])
  const letters = [...(await world.deadLettersByOrigin()).values()]
  expect(letters.map(({ value }) => value?.length)).toEqual(values.map(({ length }) => length))
  expect(letters.map(({ value }, i) => values[i]!.equals(value!))).toEqual([true, true, true, true])
  expect(letters.map(({ error }) => [error!.message.length > 0, error!.stack !== undefined])).toEqual([
    [true, true],
    [true, false],
    [false, false],
    [true, true],
  ])
})

test('a dead letter topic that is missing is told at the start; one that goes while the consumer runs stops the partition, and nothing is dropped', async () => {
  const world = await openWorld()
  const { topic } = world
  const deadLetterTopic = `${topic.name}.dlq`
  const writer = await openRawWriter(world.brokers)
  const unfit = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING }).on(topic, () => {}, {
    deadLetter: { topic: `${topic.name}.dlq.nowhere` },
  })
  expect(await failureOf(unfit.start())).toMatchObject({
    code: 'HOLDFAST_DEAD_LETTER_TOPIC_UNFIT',
    problems: [{ path: `${topic.name}.dlq.nowhere` }],
  })
  expect(await world.committed()).toBeUndefined()

  const consumer = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING }).on(topic, () => {})
  onTestFinished(() => consumer.close())
  await consumer.start()
  await deleteTopic(world.brokers, deadLetterTopic)
  const paused = nextEvent(consumer, 'paused')
  await writer.write(topic.name, poison)
  expect((await paused).reason).toContain(`${topic.name}[0]@0 cannot be parked on ${deadLetterTopic}`)
  expect(consumer.health().status).toBe('unhealthy')
  expect(await world.committed()).toBe(0n)

  const done = committedUpTo(consumer, 1n)
  await world.admin.createTopics([{ topic: deadLetterTopic, partitions: 1 }])
  await done
  await consumer.close()
  expect([...(await world.deadLettersByOrigin()).values()].map(({ value }) => String(value))).toEqual(['no JSON'])
})

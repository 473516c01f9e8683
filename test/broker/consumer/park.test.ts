import { ConfigResourceTypes } from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { createConsumer } from '../../../src/consumer/index.ts'
import { commitsOf, openShop, until } from './shop.ts'
import { TIMING } from './shop-topic.ts'

test('poison pills are parked with their bytes unchanged, and the records around them are handled', async () => {
  const shop = await openShop({ partitions: 1 })
  const poison = [Buffer.from('{"id": 7'), Buffer.from([0xff, 0x00, 0xfe]), Buffer.alloc(0), Buffer.from('{"id":7}')]
  await shop.write([JSON.stringify({ id: 'o-1' }), ...poison, JSON.stringify({ id: 'o-2' })], { 'x-tenant': 'acme' })
  await shop.producer.send({ topic: shop.topic.name, messages: [{ key: null, value: 'no key, no JSON' }] })
  const seen: string[] = []
  const consumer = createConsumer({ driver: shop.driver(), groupId: shop.groupId, ...TIMING }).on(
    shop.topic,
    ({ value }) => void seen.push(value.id),
  )
  onTestFinished(() => consumer.close())
  const commits = commitsOf(consumer)
  await consumer.start()
  await until(consumer, () => commits.get(0) === 7n)

  expect(seen).toEqual(['o-1', 'o-2'])
  const origin = (letter: { headers: Record<string, string> }): number => Number(letter.headers['holdfast-dlq-offset'])
  const letters = (await shop.deadLetters()).toSorted((a, b) => origin(a) - origin(b)) // of different keys, so in any order
  expect(letters.map(({ value }) => value)).toEqual([...poison, Buffer.from('no key, no JSON')])
  expect(letters.map(({ key }) => key?.toString() ?? null)).toEqual(['k-0', 'k-0', 'k-0', 'k-0', null])
  expect(letters.map(({ headers }) => headers['holdfast-dlq-reason'])).toEqual([
    'decode-failed',
    'decode-failed',
    'decode-failed',
    'schema-invalid',
    'decode-failed',
  ])
  expect(letters[0]!.headers).toMatchObject({
    'x-tenant': 'acme',
    'holdfast-dlq-topic': shop.topic.name,
    'holdfast-dlq-offset': '1',
    'holdfast-dlq-group': shop.groupId,
    'holdfast-dlq-attempts': '0',
  })
})

test('a dead letter topic that takes nothing pauses the partition, health says which record and why, and it resumes by itself', async () => {
  const huge = JSON.stringify({ id: 'bad', pad: 'x'.repeat(20_000) })
  const shop = await openShop({ partitions: 2, deadLetterSettings: { 'max.message.bytes': '2000' } })
  await shop.write([huge, JSON.stringify({ id: 'o-1' }), JSON.stringify({ id: 'o-2' }), JSON.stringify({ id: 'o-3' })])
  const seen: string[] = []
  const consumer = createConsumer({ driver: shop.driver(), groupId: shop.groupId, ...TIMING }).on(
    shop.topic,
    ({ value }) => {
      seen.push(value.id)
      if (value.id === 'bad') throw new Error('no')
    },
    { retry: { maxAttempts: 1 } },
  )
  onTestFinished(() => consumer.close())
  const commits = commitsOf(consumer)
  await consumer.start()
  await until(consumer, () => commits.get(1) === 2n && consumer.health().status === 'unhealthy')
  expect(consumer.health().reasons[0]).toContain(
    `${shop.topic.name}[0]@0 cannot be parked on ${shop.topic.name}.dlq (HOLDFAST_RECORD_TOO_LARGE)`,
  )
  expect(await shop.committed()).toEqual({ 0: 0n, 1: 2n })

  const admin = shop.kafka.admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: ConfigResourceTypes.TOPIC,
        name: `${shop.topic.name}.dlq`,
        configEntries: [{ name: 'max.message.bytes', value: '1000000' }],
      },
    ],
  })
  await until(consumer, () => commits.get(0) === 2n)
  expect(consumer.health()).toMatchObject({ status: 'healthy', reasons: [] })
  expect(seen.filter((id) => id === 'bad')).toHaveLength(1)
  expect((await shop.deadLetters()).map(({ value }) => String(value))).toEqual([huge])
})

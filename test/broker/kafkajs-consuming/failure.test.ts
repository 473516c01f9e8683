import { gunzipSync, gzipSync } from 'node:zlib'
import { CompressionCodecs, CompressionTypes } from 'kafkajs'
import { expect, test, onTestFinished } from 'vitest'
import { createMember, createWorld, numbers } from './member.ts'

test('reports an error that kafkajs dies of, silently when bare, and starts again where the group committed', async () => {
  const world = await createWorld()
  const before = CompressionCodecs[CompressionTypes.GZIP]
  let broken = true
  CompressionCodecs[CompressionTypes.GZIP] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => gzipSync(buffer),
    decompress: async (buffer: Buffer) => {
      if (broken) throw new TypeError('a codec that fails')
      return gunzipSync(buffer)
    },
  })
  onTestFinished(() => void (CompressionCodecs[CompressionTypes.GZIP] = before))
  await world.send(0, 'plain')
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.records().length === 1)
  await member.consumer.commit([{ topic: world.topic, partition: 0, offset: 1n, epoch: 1 }])
  await world.producer.send({
    topic: world.topic,
    compression: CompressionTypes.GZIP,
    messages: [{ partition: 0, value: 'packed' }],
  })
  await member.until(() => member.heard.some(({ kind }) => kind === 'crash'))

  expect(member.heard.map(({ kind }) => kind)).toEqual(['assigned', 'batch', 'revoked', 'crash'])
  expect(member.heard.at(-1)).toMatchObject({
    error: { code: 'HOLDFAST_CONSUMER_CRASHED', message: expect.stringContaining('TypeError') },
  })
  expect(String((member.heard.at(-1) as { error: Error }).error.message)).not.toContain('a codec that fails')
  await expect(
    member.consumer.commit([{ topic: world.topic, partition: 0, offset: 1n, epoch: 1 }]),
  ).rejects.toMatchObject({
    code: 'HOLDFAST_EPOCH_LOST',
  })
  expect((await world.admin.describeGroups([world.groupId])).groups[0]!.members).toEqual([])

  broken = false
  await member.start()
  await member.until(() => member.values().includes('packed'))
  expect(member.values()).toEqual(['plain', 'packed'])
  expect(member.epoch()).toBe(2)
})

test('a callback that throws ends the consumer with a report, and its batch stays uncommitted and is read again', async () => {
  const world = await createWorld()
  await world.send(0, ...numbers(0, 3))
  let failing = true
  const member = await createMember({
    ...world,
    topics: [world.topic],
    callbacks: {
      onBatch() {
        if (failing) throw new Error('a bug of the core')
      },
    },
  })
  await member.start()
  await member.until(() => member.heard.some(({ kind }) => kind === 'crash'))
  expect(member.heard.at(-1)).toMatchObject({ error: { code: 'HOLDFAST_CONSUMER_CRASHED' } })

  failing = false
  await member.start()
  await member.until(() => member.records().length === 3)
  expect(member.values()).toEqual(numbers(0, 3))
})

test('a rejected assignment ends the consumer with a report, since nothing was ever going to be delivered', async () => {
  const world = await createWorld()
  const member = await createMember({
    ...world,
    topics: [world.topic],
    callbacks: { onAssigned: () => Promise.reject(new Error('a bug of the core')) },
  })
  await member.start()
  await member.until(() => member.heard.length === 1)
  expect(member.heard[0]).toMatchObject({ kind: 'crash', error: { code: 'HOLDFAST_CONSUMER_CRASHED' } })
})

test('start says that a topic is unknown instead of asking for it for ever', async () => {
  const world = await createWorld()
  const member = await createMember({ ...world, topics: [world.topic, `${world.topic}-missing`] })
  await expect(member.start()).rejects.toMatchObject({ code: 'HOLDFAST_TOPIC_UNKNOWN' })
  expect(member.heard).toEqual([])

  await world.admin.createTopics({ waitForLeaders: true, topics: [{ topic: `${world.topic}-missing` }] })
  await member.start()
  await member.until(() => member.owned().length === 2)
})

test('start says that nobody answers', async () => {
  const world = await createWorld()
  const member = await createMember({
    ...world,
    topics: [world.topic],
    config: { brokers: ['127.0.0.1:1'], retry: { retries: 1, initialRetryTime: 10, maxRetryTime: 10 } },
  })
  await expect(member.start()).rejects.toMatchObject({ code: 'HOLDFAST_UNAVAILABLE', retriable: true })
})

test('start refuses options that kafkajs does not take, and can be called again', async () => {
  const world = await createWorld()
  const options = { heartbeatIntervalMs: 6_000, sessionTimeoutMs: 6_000 }
  const member = await createMember({ ...world, topics: [world.topic], options })
  await expect(member.start()).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  await expect(member.start()).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
})

test('says that the position is not on the log and leaves the commit alone, where bare kafkajs overwrites it and jumps', async () => {
  const world = await createWorld()
  await world.send(0, ...numbers(0, 10))
  const first = await createMember({ ...world, topics: [world.topic] })
  await first.start()
  await first.until(() => first.records().length === 10)
  await first.consumer.commit([{ topic: world.topic, partition: 0, offset: 4n, epoch: 1, metadata: 'kept' }])
  await first.consumer.stop()
  await world.admin.fetchTopicOffsets(world.topic) // kafkajs deletes nothing of a topic whose leaders it has not looked up
  await world.admin.deleteTopicRecords({ topic: world.topic, partitions: [{ partition: 0, offset: '7' }] })

  const second = await createMember({ ...world, topics: [world.topic] })
  await second.start()
  await second.until(() => second.heard.some(({ kind }) => kind === 'outOfRange'))
  const { topic } = world
  expect(second.heard.at(-1)).toEqual({
    kind: 'outOfRange',
    at: { topic, partition: 0, epoch: 1, offset: 4n, earliest: 7n, latest: 10n },
  })
  expect(await world.committed()).toEqual({ 0: ['4', 'kept'] })
  expect(second.records()).toEqual([])

  second.consumer.seek({ topic, partition: 0, offset: 7n })
  await second.until(() => second.records().length === 3)
  expect(second.values()).toEqual(numbers(7, 10))
  expect(second.heard.filter(({ kind }) => kind === 'outOfRange')).toHaveLength(1)
})

test('a position beyond the end of the log is out of range too, and its sibling partition flows on', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, 'a')
  const { topic } = world
  const member = await createMember({
    ...world,
    topics: [topic],
    callbacks: {
      onAssigned: async () => [
        { topic, partition: 0, offset: 0n },
        { topic, partition: 1, offset: 99n },
      ],
    },
  })
  await member.start()
  await member.until(() => member.heard.some(({ kind }) => kind === 'outOfRange'))
  await world.send(0, 'b')
  await member.until(() => member.values().includes('b'))
  expect(member.heard.find(({ kind }) => kind === 'outOfRange')).toMatchObject({
    at: { partition: 1, offset: 99n, earliest: 0n, latest: 0n },
  })
})

test('stop leaves the group at once, so that nobody waits for a session timeout, and can be called twice', async () => {
  const world = await createWorld()
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.epoch() === 1)
  await Promise.all([member.consumer.stop(), member.consumer.stop()])

  expect((await world.admin.describeGroups([world.groupId])).groups[0]!.members).toEqual([])
  expect(member.heard.map(({ kind }) => kind)).toEqual(['assigned'])
  await expect(member.start()).rejects.toMatchObject({ code: 'HOLDFAST_CLOSED' })
})

test('a consumer stopped while it joins does not become a member afterwards', async () => {
  const world = await createWorld()
  const member = await createMember({ ...world, topics: [world.topic] })
  const starting = member.start().catch((error: unknown) => error)
  await member.consumer.stop()
  expect(await starting).toMatchObject({ code: 'HOLDFAST_CLOSED' })

  const next = await createMember({ ...world, topics: [world.topic] })
  await next.start()
  await next.until(() => next.owned().length === 1)
  expect(member.heard).toEqual([])
})

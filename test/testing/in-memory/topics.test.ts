import { expect, test } from 'vitest'
import { connected, member, other, record, setup, target, write } from './world.ts'

test('a topic that is deleted is unknown to its writers, and one made anew begins at offset 0, without the old commits', async () => {
  const world = setup()
  const { cluster, driver, texts } = world
  const producer = await connected(driver)
  await write(producer, 'a', 'b')
  const { consumer, epoch } = await member(world)
  await consumer.commit([{ ...target, offset: 2n, epoch }])
  cluster.deleteTopic('orders')
  expect(await write(producer, 'c')).toEqual(['HOLDFAST_TOPIC_UNKNOWN'])
  expect(cluster.committed('inventory')).toEqual([])
  cluster.createTopic({ topic: 'orders', partitions: 2 })
  expect(await write(producer, 'd')).toEqual(['@0'])
  expect(texts()).toEqual(['d'])
})

test('a consumer whose topic is deleted ends, and starts only when there is one again, from its first record on', async () => {
  const world = setup()
  const { cluster, runtime } = world
  cluster.append([record('a'), record('b')])
  const reader = await member(world)
  await reader.consumer.commit([{ ...target, offset: 2n, epoch: reader.epoch }])
  cluster.deleteTopic('orders')
  await runtime.advance(0)
  expect(reader.events).toEqual(['assigned 0,1', 'a', 'b', 'HOLDFAST_CONSUMER_CRASHED'])
  expect(cluster.members('inventory')).toEqual([])
  await expect(reader.start()).rejects.toMatchObject({ code: 'HOLDFAST_TOPIC_UNKNOWN' })
  cluster.createTopic({ topic: 'orders' })
  cluster.append([record('c'), record('d'), record('e')])
  await reader.start()
  await runtime.advance(0)
  expect(reader.events.slice(4)).toEqual(['assigned 0', 'c', 'd', 'e'])
})

test('a topic made anew is never taken for the old one, however fast: its first records would be passed over', async () => {
  const world = setup()
  world.cluster.append([record('a'), record('b')])
  const reader = await member(world)
  world.cluster.deleteTopic('orders')
  world.cluster.createTopic({ topic: 'orders', partitions: 2 })
  world.cluster.append([record('c'), record('d'), record('e')])
  await world.runtime.advance(0)
  expect(reader.events).toEqual(['assigned 0,1', 'a', 'b', 'HOLDFAST_CONSUMER_CRASHED'])
})

test('a member that reads nothing of a topic hears of its end too, so that it does not wait for ever', async () => {
  const world = setup()
  const members = [await member(world), await member(world, {}, other(world))]
  members.push(await member(world, {}, world.driverOf('three')))
  await world.runtime.advance(1_000)
  expect(world.cluster.members('inventory').filter(({ partitions }) => partitions.length === 0)).toHaveLength(1)
  world.cluster.deleteTopic('orders')
  await world.runtime.advance(1_000)
  expect(members.map(({ events }) => events.at(-1))).toEqual(Array(3).fill('HOLDFAST_CONSUMER_CRASHED'))
})

test('compaction keeps the last record of each key at its offset, a tombstone too, and drops what has no key', async () => {
  const { cluster } = setup()
  cluster.append([
    record('a1', target, 'a'),
    record('b1', target, 'b'),
    record('none'),
    record('a2', target, 'a'),
    record(null, target, 'b'),
  ])
  cluster.compact('orders')
  const left = cluster.records('orders').map(({ offset, value }) => [offset, value && Buffer.from(value).toString()])
  expect(left).toEqual([
    [3n, 'a2'],
    [4n, null],
  ])
})

test('compaction leaves alone what an open transaction holds back, and takes what was rolled back with its marker', async () => {
  const { cluster, driver, texts } = setup()
  const producer = await connected(driver, 'tx')
  await write(await producer.begin(), 'never') // offset 0
  const next = await connected(driver, 'tx')
  const open = await next.begin() // rolls the first one back: its marker has offset 1
  await write(open, 'last') // offset 2
  cluster.append([record('a1', target, 'a'), record('a2', target, 'a')])
  cluster.compact('orders')
  await open.commit()
  expect(texts()).toEqual(['last', 'a1', 'a2'])
  cluster.compact('orders')
  expect(cluster.records('orders').map(({ offset }) => offset)).toEqual([4n])
})

test('a reader that stands where compaction has left nothing is told where to go on, so that its commit can pass the gap', async () => {
  const world = setup()
  world.cluster.append([record('x', target, 'x'), record('gone'), record('gone')])
  world.cluster.compact('orders')
  const next: bigint[] = []
  await member(world, {
    onAssigned: async (partitions) => partitions.map((each) => ({ ...each, offset: each.partition === 0 ? 1n : 0n })),
    onBatch: ({ records, nextOffset }) => void next.push(BigInt(records.length), nextOffset),
  })
  expect(next).toEqual([0n, 3n])
})

test('a compacted topic refuses a record without a key, as brokers do', async () => {
  const { cluster, driver } = setup()
  cluster.createTopic({ topic: 'states', settings: { 'cleanup.policy': 'compact' } })
  const producer = await connected(driver)
  const states = { topic: 'states', partition: 0 }
  const produce = async (key: string | null) => {
    const batch = { ...states, compression: 'none' as const, records: [record('a', states, key)] }
    return producer.produce(batch, { timeoutMs: 1_000 })
  }
  expect(await produce(null)).toMatchObject([{ ok: false, error: { code: 'HOLDFAST_REFUSED' } }])
  expect(await produce('k')).toEqual([{ ok: true, offset: 0n }])
})

test('a member that gives partitions of a deleted topic back commits nothing for the topic that has taken its name', async () => {
  const world = setup()
  world.cluster.append([record('a'), record('b')])
  const reader = await member(world)
  world.cluster.deleteTopic('orders')
  world.cluster.createTopic({ topic: 'orders', partitions: 2 })
  await expect(reader.consumer.commit([{ ...target, offset: 2n, epoch: reader.epoch }])).rejects.toMatchObject({
    code: 'HOLDFAST_EPOCH_LOST',
  })
  await member(world, {}, other(world)) // a rebalance, in which it would commit
  expect(reader.events).toEqual(['assigned 0,1', 'a', 'b', 'HOLDFAST_CONSUMER_CRASHED'])
  expect(world.cluster.committed('inventory')).toEqual([])
})

import { expect, test } from 'vitest'
import { createInMemoryCluster, inMemoryDriver } from '../../src/testing/index.ts'
import { connected, member, other, record, setup, target, write } from './in-memory/world.ts'

test.each([
  ['refused', 'HOLDFAST_REFUSED', []],
  ['unavailable', 'HOLDFAST_UNAVAILABLE', []],
  ['indeterminate-lost', 'HOLDFAST_INDETERMINATE', []],
  ['indeterminate-written', 'HOLDFAST_INDETERMINATE', ['a', 'b']],
] as const)('fails the next produce as %s, once, and only there', async (outcome, code, written) => {
  const { cluster, driver, texts } = setup()
  const producer = await connected(driver)
  cluster.failNextProduce('orders', outcome)
  expect(await write(producer, 'a', 'b')).toEqual([code, code])
  expect(texts()).toEqual(written)
  expect(await write(producer, 'c')).toEqual([`@${written.length}`])
})

test('fails as many produce calls as were planned, in order', async () => {
  const { cluster, driver } = setup()
  const producer = await connected(driver)
  cluster.failNextProduce('orders', 'refused')
  cluster.failNextProduce('orders', 'unavailable')
  expect([await write(producer, 'a'), await write(producer, 'a'), await write(producer, 'a')]).toEqual([
    ['HOLDFAST_REFUSED'],
    ['HOLDFAST_UNAVAILABLE'],
    ['@0'],
  ])
})

test('a partition that cannot be written refuses without writing, and its neighbour does not', async () => {
  const { cluster, driver, texts } = setup()
  const producer = await connected(driver)
  cluster.partitionUnwritable(target, true)
  expect(await write(producer, 'a')).toEqual(['HOLDFAST_UNAVAILABLE'])
  const neighbour = { topic: 'orders', partition: 1 }
  const [outcome] = await producer.produce(
    { ...neighbour, compression: 'none', records: [record('b', neighbour)] },
    { timeoutMs: 1_000 },
  )
  expect(outcome).toEqual({ ok: true, offset: 0n })
  cluster.partitionUnwritable('orders', false)
  expect(await write(producer, 'c')).toEqual(['@0'])
  expect(texts()).toEqual(['c', 'b'])
})

test('a commit of a transaction whose answer was lost is over for the caller, whether it happened or not', async () => {
  for (const [outcome, visible] of [
    ['indeterminate-written', ['a', 'next']],
    ['indeterminate-lost', ['next']],
  ] as const) {
    const { cluster, driver, texts } = setup()
    const producer = await connected(driver, 'tx')
    const transaction = await producer.begin()
    await write(transaction, 'a')
    cluster.failNextTransactionCommit('tx', outcome)
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'HOLDFAST_INDETERMINATE' })
    await transaction.abort()
    const next = await producer.begin()
    await write(next, 'next')
    await next.commit()
    expect(texts()).toEqual(visible)
  }
})

test('a transaction left open is rolled back when its time is over, so that readers go on', async () => {
  const { runtime, driver, surroundings, texts } = setup()
  const producer = driver.createProducer({ ...surroundings, transactionalId: 'tx', transactionTimeoutMs: 10_000 })
  await producer.connect()
  const open = await producer.begin()
  await write(open, 'never')
  const other = await connected(driver)
  await write(other, 'after')
  expect(texts()).toEqual([])
  await runtime.advance(10_000)
  expect(texts()).toEqual(['after'])
  expect(await write(open, 'late')).toEqual(['HOLDFAST_TRANSACTION_ABORTED'])
  await open.abort()
  await (await producer.begin()).commit()
})

test('a producer that is closed rolls back what it left open, so that readers go on', async () => {
  const { driver, texts } = setup()
  const producer = await connected(driver, 'tx')
  await write(await producer.begin(), 'never')
  await producer.close({ timeoutMs: 1_000 })
  await write(await connected(driver), 'after')
  expect(texts()).toEqual(['after'])
})

test('a log cannot be changed through the bytes that were written to it or read from it', async () => {
  const { cluster, driver, texts } = setup()
  const producer = await connected(driver)
  const mine = record('abc')
  await producer.produce({ ...target, compression: 'none', records: [mine] }, { timeoutMs: 1_000 })
  mine.value!.fill(0)
  cluster.records('orders')[0]!.value!.fill(0)
  expect(texts()).toEqual(['abc'])
})

test('topics are made by themselves only when asked for, as on a cluster with auto.create.topics.enable', async () => {
  const auto = await connected(inMemoryDriver({ partitions: 3 }))
  expect(await auto.partitionCount('anything')).toBe(3)
  const strict = await connected(inMemoryDriver())
  await expect(strict.partitionCount('anything')).rejects.toMatchObject({ code: 'HOLDFAST_TOPIC_UNKNOWN' })
  expect(() => inMemoryDriver({ partitions: 3, cluster: createInMemoryCluster() })).toThrow('autoCreatePartitions')
})

test('the count of partitions is asked for at most every five minutes, as a client caches metadata', async () => {
  const { runtime, cluster, driver, surroundings } = setup()
  const producer = driver.createProducer(surroundings)
  await producer.connect()
  expect(await producer.partitionCount('orders')).toBe(2)
  cluster.addPartitions('orders', 4)
  expect(await producer.partitionCount('orders')).toBe(2)
  await runtime.advance(300_000)
  expect(await producer.partitionCount('orders')).toBe(4)
})

test('a client that is cut off loses its session at the group, keeps believing in it, and learns of it when it is back', async () => {
  const world = setup()
  const zombie = await member(world)
  world.cluster.unreachable(true, 'one')
  await world.runtime.advance(9_999)
  expect(world.cluster.members('inventory')).toHaveLength(1)
  const heir = await member(world, {}, other(world))
  await world.runtime.advance(10_000)
  expect(heir.events).toEqual(['assigned 0,1'])
  expect(zombie.events).toEqual(['assigned 0,1'])
  await expect(zombie.consumer.commit([{ ...target, offset: 1n, epoch: zombie.epoch }])).rejects.toMatchObject({
    code: 'HOLDFAST_UNAVAILABLE',
  })

  world.cluster.unreachable(false, 'one')
  await expect(zombie.consumer.commit([{ ...target, offset: 1n, epoch: zombie.epoch }])).rejects.toMatchObject({
    code: 'HOLDFAST_EPOCH_LOST',
  })
  await world.runtime.advance(2_000)
  expect(zombie.events.slice(1, 2)).toEqual(['lost'])
  expect(world.cluster.members('inventory').map(({ partitions }) => partitions.length)).toEqual([1, 1])
  expect(world.cluster.committed('inventory')).toEqual([])
})

test('a member that drains for longer than the rebalance timeout is put out of the group, and what it had is lost', async () => {
  const world = setup()
  const slow = await member(world, { onRevoked: () => new Promise(() => {}) })
  const joiner = await member(world, {}, other(world))
  await world.runtime.advance(19_999)
  expect(joiner.events).toEqual([])
  await world.runtime.advance(1)
  expect(joiner.events).toEqual(['assigned 0,1'])
  await world.runtime.advance(1_000)
  expect(slow.events).toEqual(['assigned 0,1', 'lost'])
})

test.each(['onAssigned', 'onBatch', 'onRevoked'] as const)(
  'a callback %s that throws ends the consumer aloud, and its partitions go on to others',
  async (name) => {
    const world = setup()
    const bad = await member(world, {
      [name]: () => {
        throw new Error('a bug')
      },
    })
    world.cluster.append([record('a')])
    const heir = await member(world, {}, other(world))
    await world.runtime.advance(100)
    expect(bad.events.at(-1)).toBe('HOLDFAST_CONSUMER_CRASHED')
    expect(heir.events).toContain('assigned 0,1')
    expect(heir.events).toContain('a')
  },
)

test('a member that was put out is refused although the generation is still the one it knows', async () => {
  const world = setup()
  const zombie = await member(world)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  await member(world, { onRevoked: () => held }, other(world))
  const { memberId, partitions } = world.cluster.members('inventory').find(({ clientId }) => clientId === 'one')!
  world.cluster.expireSession('inventory', memberId) // the other one drains: there is no new generation yet
  const offset = { ...partitions[0]!, offset: 1n, epoch: zombie.epoch }
  await expect(zombie.consumer.commit([offset])).rejects.toMatchObject({ code: 'HOLDFAST_EPOCH_LOST' })
  expect(world.cluster.committed('inventory')).toEqual([])
  release()
})

test('a commit that is on its way while the group rebalances is refused at the group', async () => {
  const world = setup({ latencyMs: 10 })
  const first = await world.runtime.run(member(world))
  await world.runtime.advance(100)
  const late = first.consumer.commit([{ ...target, offset: 1n, epoch: first.epoch }]).catch((error: unknown) => error)
  world.cluster.addPartitions('orders', 3)
  await world.runtime.advance(0) // it has given its partitions back, and joins
  expect(await world.runtime.run(late)).toBeUndefined() // the old generation is still the group's: it counts

  await world.runtime.advance(100)
  const stale = first.consumer.commit([{ ...target, offset: 2n, epoch: first.epoch }]).catch((error: unknown) => error)
  world.cluster.expireSession('inventory') // a new generation, of nobody
  expect(await world.runtime.run(stale)).toMatchObject({ code: 'HOLDFAST_EPOCH_LOST' })
  expect(world.cluster.committed('inventory')).toMatchObject([{ offset: 1n }])
})

test('records that a seek overtook on their way are not delivered', async () => {
  const world = setup({ latencyMs: 10 })
  const heard = await world.runtime.run(member(world))
  await world.runtime.advance(100)
  world.cluster.append([record('a'), record('b'), record('c')])
  await world.runtime.advance(15) // read at the cluster, and on its way
  heard.consumer.seek({ ...target, offset: 2n })
  await world.runtime.advance(100)
  expect(heard.events).toEqual(['assigned 0,1', 'c'])
})

test('a member gives its partitions back at every rebalance, not at its first alone', async () => {
  const world = setup()
  const first = await member(world)
  for (const clientId of ['two', 'three', 'four']) {
    await member(world, {}, inMemoryDriver({ clientId, cluster: world.cluster }))
    await world.runtime.advance(100)
  }
  const given = first.events.map((event) => event.split(' ')[0])
  expect(given.slice(0, 5)).toEqual(['assigned', 'revoked', 'assigned', 'revoked', 'assigned'])
  expect(world.cluster.members('inventory')).toHaveLength(4)
})

test('readers see nothing behind an open transaction, not even what is committed', async () => {
  const { driver, texts } = setup()
  const plain = await connected(driver)
  await write(plain, 'a')
  const transaction = await (await connected(driver, 'tx')).begin()
  await write(transaction, 'b')
  await write(plain, 'c')
  expect(texts()).toEqual(['a'])
  await transaction.commit()
  expect(texts()).toEqual(['a', 'b', 'c'])
})

test('commits fail as planned: written or not, the caller cannot tell', async () => {
  const world = setup()
  const { consumer, epoch } = await member(world)
  const commit = (offset: bigint): Promise<void> => consumer.commit([{ ...target, offset, epoch }])
  world.cluster.failNextCommit('inventory', 'unavailable')
  await expect(commit(1n)).rejects.toMatchObject({ code: 'HOLDFAST_UNAVAILABLE', retriable: true })
  expect(world.cluster.committed('inventory')).toEqual([])
  world.cluster.failNextCommit('inventory', 'indeterminate-written')
  await expect(commit(2n)).rejects.toMatchObject({ code: 'HOLDFAST_INDETERMINATE' })
  expect(world.cluster.committed('inventory')).toMatchObject([{ offset: 2n }])
  world.cluster.failNextCommit('inventory', 'indeterminate-lost')
  await expect(commit(3n)).rejects.toMatchObject({ code: 'HOLDFAST_INDETERMINATE' })
  expect(world.cluster.committed('inventory')).toMatchObject([{ offset: 2n }])
  await expect(consumer.commit([{ ...target, offset: 3n, epoch, metadata: 'x'.repeat(4_097) }])).rejects.toMatchObject({
    code: 'HOLDFAST_REFUSED',
  })
  await consumer.commit([{ ...target, offset: 3n, epoch, metadata: 'x'.repeat(4_096) }])
})

test('a whole story takes no real time and is the same every time', async () => {
  const story = async (): Promise<unknown> => {
    const world = setup()
    const first = await member(world)
    for (let i = 0; i < 20; i++)
      world.cluster.append([record(`r${i}`), record(`s${i}`, { topic: 'orders', partition: 1 })])
    const second = await member(world, {}, other(world))
    await world.runtime.advance(3_600_000)
    world.cluster.expireSession('inventory', world.cluster.members('inventory')[0]!.memberId)
    await world.runtime.advance(3_600_000)
    return [first.events, second.events, world.cluster.members('inventory')]
  }
  expect(await story()).toEqual(await story())
})

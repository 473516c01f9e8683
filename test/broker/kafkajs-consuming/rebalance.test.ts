import { expect, test, vi } from 'vitest'
import { deferred } from '../../../src/testing/deferred.ts'
import { expel } from './group.ts'
import { createMember, createWorld, numbers } from './member.ts'

test('bare kafkajs commits for a partition that its member has lost: the defect that the epochs are for', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, 'a')
  await world.send(1, 'b')
  const old = world.kafka.consumer({ groupId: world.groupId, heartbeatInterval: 300, maxWaitTimeInMs: 250 })
  const lateCommit = deferred<(partition: number) => Promise<void>>()
  const lost = deferred<number>()
  let joins = 0
  old.on('consumer.group_join', ({ payload }) => {
    const mine = payload.memberAssignment[world.topic] ?? []
    if (++joins > 1 && mine.length === 1) lost.resolve(1 - mine[0]!)
  })
  await old.connect()
  await old.subscribe({ topic: world.topic, fromBeginning: true })
  await old.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async (payload) => {
      payload.resolveOffset(payload.batch.lastOffset())
      lateCommit.resolve((partition) =>
        payload.commitOffsetsIfNecessary({
          topics: [{ topic: world.topic, partitions: [{ partition, offset: '1' }] }],
        }),
      )
    },
  })
  const commit = await lateCommit.promise
  const owner = world.kafka.consumer({ groupId: world.groupId, heartbeatInterval: 300, maxWaitTimeInMs: 250 })
  try {
    await owner.connect()
    await owner.subscribe({ topic: world.topic, fromBeginning: true })
    await owner.run({ autoCommit: false, eachBatch: async () => {} })
    const partition = await lost.promise

    await commit(partition)

    expect(await world.committed()).toEqual({ [partition]: ['1', ''] })
  } finally {
    await Promise.all([old.disconnect(), owner.disconnect()])
  }
})

test('refuses a commit for a partition that the member has lost, here and without a request, so that no zombie moves it', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, 'a')
  await world.send(1, 'b')
  const old = await createMember({ ...world, topics: [world.topic] })
  await old.start()
  await old.until(() => old.records().length === 2)
  const owner = await createMember({ ...world, topics: [world.topic] })
  await owner.start()
  await Promise.all([
    old.until(() => old.epoch() === 2 && old.owned().length === 1),
    owner.until(() => owner.owned().length === 1),
  ])
  const lost = owner.owned()[0]!

  const late = (epoch: number) =>
    old.consumer.commit([{ topic: world.topic, partition: lost.partition, offset: 1n, epoch }])
  await expect(late(1)).rejects.toMatchObject({ code: 'HOLDFAST_EPOCH_LOST' })
  await expect(late(2)).rejects.toMatchObject({ code: 'HOLDFAST_EPOCH_LOST' })
  const kept = old.owned()[0]!
  await expect(
    old.consumer.commit([{ topic: world.topic, partition: kept.partition, offset: 1n, epoch: 1 }]),
    'an older epoch of a partition that came back is refused as well',
  ).rejects.toMatchObject({ code: 'HOLDFAST_EPOCH_LOST' })
  expect(await world.committed()).toEqual({})

  await old.consumer.commit([{ topic: world.topic, partition: kept.partition, offset: 1n, epoch: 2 }])
  expect(await world.committed()).toEqual({ [kept.partition]: ['1', ''] })
})

test('lets work drain and commit before its partitions go, so that the next owner repeats nothing', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, ...numbers(0, 10))
  await world.send(1, ...numbers(10, 20))
  const drain = deferred()
  const old = await createMember({
    ...world,
    topics: [world.topic],
    callbacks: {
      async onRevoked(partitions, epoch) {
        await drain.promise
        await old.consumer.commit(partitions.map((each) => ({ ...each, offset: 10n, epoch, metadata: 'drained' })))
      },
    },
  })
  await old.start()
  await old.until(() => old.records().length === 20)
  const next = await createMember({ ...world, topics: [world.topic] })
  await next.start()
  await vi.waitFor(async () =>
    expect((await world.admin.describeGroups([world.groupId])).groups[0]!.state).toBe('PreparingRebalance'),
  )
  expect(next.heard, 'the group waits for the member that drains').toEqual([])
  drain.resolve()
  await Promise.all([next.until(() => next.epoch() === 1), old.until(() => old.epoch() === 2)])

  expect(old.heard.find(({ kind }) => kind === 'revoked')).toMatchObject({
    epoch: 1,
    partitions: [{ partition: 0 }, { partition: 1 }],
  })
  expect([...old.owned(), ...next.owned()].map(({ committed }) => committed)).toEqual([
    { offset: 10n, metadata: 'drained' },
    { offset: 10n, metadata: 'drained' },
  ])
  await world.send(0, 'new-0')
  await world.send(1, 'new-1')
  await Promise.all([old.until(() => old.records().length === 21), next.until(() => next.records().length === 1)])
  expect([...old.values().slice(20), ...next.values()].toSorted()).toEqual(['new-0', 'new-1'])
})

test('stays a member through a drain that is longer than the session timeout, since heartbeats go on', async () => {
  const world = await createWorld({ partitions: 2 }) // one for each member afterwards, whoever of them gets which
  await world.send(0, 'slow')
  const drain = deferred()
  const old = await createMember({
    ...world,
    topics: [world.topic],
    options: { sessionTimeoutMs: 1_000, heartbeatIntervalMs: 200 },
    callbacks: {
      async onRevoked(partitions, epoch) {
        await drain.promise
        const offsetOf = (partition: number): bigint => (partition === 0 ? 1n : 0n)
        await old.consumer.commit(partitions.map((each) => ({ ...each, offset: offsetOf(each.partition), epoch })))
      },
    },
  })
  await old.start()
  await old.until(() => old.records().length === 1)
  const next = await createMember({ ...world, topics: [world.topic] })
  await next.start()
  await vi.waitFor(async () =>
    expect((await world.admin.describeGroups([world.groupId])).groups[0]!.state).toBe('PreparingRebalance'),
  )
  const heldAt = old.consumer.lastHeartbeatAt()!
  await vi.waitFor(() => expect(old.consumer.lastHeartbeatAt()).toBeGreaterThan(heldAt + 2_000), {
    timeout: 10_000,
    interval: 50,
  })
  drain.resolve()
  await old.until(() => old.epoch() === 2)

  expect(old.heard.map(({ kind }) => kind)).toEqual(['assigned', 'batch', 'revoked', 'assigned'])
  expect(await world.committed()).toEqual({ 0: ['1', ''], 1: ['0', ''] })
})

test('keeps the membership while everything is paused for longer than the session timeout', async () => {
  const world = await createWorld()
  const member = await createMember({
    ...world,
    topics: [world.topic],
    options: { sessionTimeoutMs: 1_000, heartbeatIntervalMs: 200 },
  })
  expect(member.consumer.lastHeartbeatAt()).toBeNull()
  await member.start()
  await member.until(() => member.epoch() === 1)
  member.consumer.pause(member.owned())
  const joinedAt = member.consumer.lastHeartbeatAt()!
  await vi.waitFor(() => expect(member.consumer.lastHeartbeatAt()).toBeGreaterThan(joinedAt + 2_500), {
    timeout: 10_000,
    interval: 50,
  })
  await world.send(0, 'after')
  member.consumer.resume(member.owned())
  await member.until(() => member.records().length === 1)

  expect(member.heard.map(({ kind }) => kind)).toEqual(['assigned', 'batch'])
})

test('reports a membership that the group has ended as lost, refuses its commits, and reads again from the commit', async () => {
  const world = await createWorld()
  await world.send(0, ...numbers(0, 5))
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.records().length === 5)
  await member.consumer.commit([{ topic: world.topic, partition: 0, offset: 2n, epoch: 1 }])
  await expel(world)
  await member.until(() => member.epoch() === 2)
  await member.until(() => member.records().length === 8)

  expect(member.heard.filter(({ kind }) => kind === 'lost')).toEqual([
    { kind: 'lost', epoch: 1, partitions: [{ topic: world.topic, partition: 0 }] },
  ])
  await expect(
    member.consumer.commit([{ topic: world.topic, partition: 0, offset: 5n, epoch: 1 }]),
  ).rejects.toMatchObject({
    code: 'HOLDFAST_EPOCH_LOST',
  })
  expect(member.values()).toEqual([...numbers(0, 5), ...numbers(2, 5)])
  expect(await world.committed()).toEqual({ 0: ['2', ''] })
})

test('a commit that meets the end of the membership is refused by the group and ends the epoch, so that no later one is tried', async () => {
  const world = await createWorld()
  await world.send(0, 'a')
  const member = await createMember({ ...world, topics: [world.topic], options: { heartbeatIntervalMs: 5_000 } })
  await member.start()
  await member.until(() => member.records().length === 1)
  await expel(world)

  const commit = member.consumer.commit([{ topic: world.topic, partition: 0, offset: 1n, epoch: 1 }])
  await expect(commit).rejects.toMatchObject({ code: 'HOLDFAST_EPOCH_LOST' })

  expect(member.heard.filter(({ kind }) => kind === 'lost')).toHaveLength(1)
  expect(await world.committed()).toEqual({})
})

test('a pause outlives a rebalance', async () => {
  const world = await createWorld()
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.epoch() === 1)
  member.consumer.pause(member.owned())
  await expel(world)
  await member.until(() => member.epoch() === 2)
  await world.send(0, 'waits')
  const beat = member.consumer.lastHeartbeatAt()!
  await vi.waitFor(() => expect(member.consumer.lastHeartbeatAt()).toBeGreaterThan(beat + 600), {
    timeout: 5_000,
    interval: 50,
  })
  expect(member.records()).toEqual([])

  member.consumer.resume(member.owned())
  await member.until(() => member.values().includes('waits'))
})

test('shares a group with a bare kafkajs member, so that a service can move over member by member', async () => {
  const world = await createWorld({ partitions: 2 })
  const bare = world.kafka.consumer({ groupId: world.groupId, heartbeatInterval: 300, maxWaitTimeInMs: 250 })
  await bare.connect()
  await bare.subscribe({ topic: world.topic, fromBeginning: true })
  await bare.run({ eachMessage: async () => {} })
  const member = await createMember({ ...world, topics: [world.topic] })
  try {
    await member.start()
    await member.until(() => member.owned().length === 1)
  } finally {
    await bare.disconnect()
  }
  await member.until(() => member.owned().length === 2)
  expect(member.heard.map(({ kind }) => kind)).toEqual(['assigned', 'revoked', 'assigned'])
})

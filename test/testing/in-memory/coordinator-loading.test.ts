import { expect, test } from 'vitest'
import { member, other, setup, target } from './world.ts'

test('a member joins as soon as the coordinator has loaded, and knows the commits then', async () => {
  const world = setup()
  world.cluster.setCommitted('inventory', { ...target, offset: 7n })
  world.cluster.coordinatorLoading('inventory', true)
  const committed: unknown[] = []
  const heard = await member(world, {
    onAssigned: async (partitions) => {
      committed.push(...partitions.map((each) => each.committed?.offset ?? null))
      return []
    },
  })
  await world.runtime.advance(20_000)
  expect(committed).toEqual([])
  world.cluster.coordinatorLoading('inventory', false)
  await world.runtime.advance(1_000)
  expect(committed).toEqual([7n, null])
  expect(heard.events).toEqual([])
})

test('a member whose coordinator loads for longer than its session keeps it, is not confirmed meanwhile, and commits nothing', async () => {
  const world = setup()
  const heard = await member(world)
  await world.runtime.advance(1_000)
  const confirmed = heard.consumer.lastHeartbeatAt()
  world.cluster.coordinatorLoading('inventory', true)
  await world.runtime.advance(30_000)
  expect(heard.consumer.lastHeartbeatAt()).toBe(confirmed)
  const commit = (): Promise<void> => heard.consumer.commit([{ ...target, offset: 1n, epoch: heard.epoch }])
  await expect(commit()).rejects.toMatchObject({ code: 'HOLDFAST_UNAVAILABLE', retriable: true })
  world.cluster.coordinatorLoading('inventory', false)
  await world.runtime.advance(1_000)
  await commit()
  expect(world.cluster.committed('inventory')).toMatchObject([{ offset: 1n }])
  expect(heard.events).toEqual(['assigned 0,1'])
})

test('sessions run on from the moment it has loaded: a member that is gone is put out then', async () => {
  const world = setup()
  await member(world)
  world.cluster.unreachable(true, 'one')
  world.cluster.coordinatorLoading('inventory', true)
  await world.runtime.advance(60_000)
  world.cluster.coordinatorLoading('inventory', false)
  await world.runtime.advance(9_999)
  expect(world.cluster.members('inventory')).toHaveLength(1)
  await world.runtime.advance(1)
  expect(world.cluster.members('inventory')).toEqual([])
})

test('a rebalance that comes up while it loads begins after it, and nobody is put out for having missed it', async () => {
  const world = setup()
  const first = await member(world)
  const second = await member(world, {}, other(world))
  const before = [first.events.length, second.events.length]
  world.cluster.coordinatorLoading('inventory', true)
  world.cluster.addPartitions('orders', 4)
  await world.runtime.advance(30_000)
  expect([first.events.length, second.events.length]).toEqual(before)
  world.cluster.coordinatorLoading('inventory', false)
  await world.runtime.advance(1_000)
  expect(world.cluster.members('inventory').map(({ partitions }) => partitions.length)).toEqual([2, 2])
  expect([...first.events, ...second.events]).not.toContain('lost')
})

test('a rebalance that is under way when it begins to load is not over for those who have not joined yet', async () => {
  const world = setup()
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const slow = await member(world, { onRevoked: () => held })
  const second = await member(world, {}, other(world))
  world.cluster.coordinatorLoading('inventory', true)
  await world.runtime.advance(30_000)
  release()
  await world.runtime.advance(1_000)
  world.cluster.coordinatorLoading('inventory', false)
  await world.runtime.advance(2_000)
  expect([...slow.events, ...second.events]).not.toContain('lost')
  expect(world.cluster.members('inventory').map(({ partitions }) => partitions.length)).toEqual([1, 1])
})

test('an admin is answered when it has loaded', async () => {
  const world = setup()
  world.cluster.setCommitted('inventory', { ...target, offset: 7n })
  world.cluster.coordinatorLoading('inventory', true)
  world.runtime.clock.after(5_000, () => world.cluster.coordinatorLoading('inventory', false))
  const admin = world.driver.createAdmin(world.surroundings)
  expect(await world.runtime.run(admin.committedOffsets('inventory', ['orders']))).toMatchObject([{ offset: 7n }])
})

test('a consumer that cannot join for a minute ends aloud, as others do when they have lost their patience', async () => {
  const world = setup()
  world.cluster.coordinatorLoading('inventory', true)
  const heard = await member(world)
  await world.runtime.advance(61_000)
  expect(heard.events).toEqual(['HOLDFAST_CONSUMER_CRASHED'])
})

test('a member that waits for the answer to its join has no session that could end, and is answered when all has loaded', async () => {
  const world = setup()
  await member(world)
  world.cluster.unreachable(true, 'one')
  const second = await member(world, {}, other(world))
  expect(second.events).toEqual([])
  world.cluster.coordinatorLoading('inventory', true)
  world.cluster.expireSession('inventory')
  world.cluster.coordinatorLoading('inventory', false)
  await world.runtime.advance(20_000)
  expect(second.events).toEqual(['assigned 0,1'])
})

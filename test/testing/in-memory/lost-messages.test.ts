import { expect, test } from 'vitest'
import { connected, member, record, setup, target, write } from './world.ts'

const producing = async (world: ReturnType<typeof setup>) => connected(world.driver, undefined, world.runtime)

test.each(['request-lost', 'answer-lost'] as const)(
  'a produce call whose message is lost (%s) is sent again, and its records are on the log once',
  async (loss) => {
    const world = setup()
    const producer = await producing(world)
    world.cluster.failNextProduce('orders', loss)
    world.cluster.failNextProduce('orders', loss)
    expect(await world.runtime.run(write(producer, 'a', 'b'))).toEqual(['@0', '@1'])
    expect(await write(producer, 'c')).toEqual(['@2'])
    expect(world.texts()).toEqual(['a', 'b', 'c'])
  },
)

test.each([
  ['answers', ['a', 'next']],
  ['requests', ['next']],
] as const)(
  'when %s are lost until its time is over, a produce call is indeterminate, and the next one is written all the same',
  async (what, texts) => {
    const world = setup()
    const { cluster, runtime } = world
    const lose = what === 'answers' ? cluster.loseAnswers : cluster.loseRequests
    const producer = await producing(world)
    lose(true, 'one')
    const since = runtime.clock.monotonic()
    expect(await runtime.run(write(producer, 'a'))).toEqual(['HOLDFAST_INDETERMINATE'])
    expect(runtime.clock.monotonic() - since).toBeLessThanOrEqual(1_000)
    lose(false, 'one')
    expect(await write(producer, 'next')).toEqual([`@${texts.length - 1}`])
    expect(world.texts()).toEqual(texts)
  },
)

test('a produce call whose answer does not come in time is indeterminate, and what is still on its way then arrives nowhere', async () => {
  let carry: ((lost: boolean) => void) | undefined
  let holding = false
  const world = setup({
    network: () =>
      holding
        ? new Promise((resolve, reject) => (carry = (lost) => (lost ? reject(new Error('lost')) : resolve())))
        : Promise.resolve(),
  })
  const producer = await producing(world)
  holding = true
  expect(await world.runtime.run(write(producer, 'late'))).toEqual(['HOLDFAST_INDETERMINATE'])
  holding = false
  carry!(false)
  expect(await write(producer, 'next')).toEqual(['@0'])
  expect(world.texts()).toEqual(['next'])
})

test('a refusal after a lost answer proves nothing: the batch may be on the log since the first attempt', async () => {
  const world = setup()
  const producer = await producing(world)
  world.cluster.failNextProduce('orders', 'answer-lost')
  world.cluster.failNextProduce('orders', 'refused')
  expect(await world.runtime.run(write(producer, 'a'))).toEqual(['HOLDFAST_INDETERMINATE'])
  expect(world.texts()).toEqual(['a'])
})

test('a refused batch leaves no gap in the numbers of its producer', async () => {
  const world = setup()
  const producer = await producing(world)
  world.cluster.failNextProduce('orders', 'refused')
  expect(await write(producer, 'never')).toEqual(['HOLDFAST_REFUSED'])
  world.cluster.failNextProduce('orders', 'answer-lost')
  expect(await world.runtime.run(write(producer, 'a'))).toEqual(['@0'])
  expect(world.texts()).toEqual(['a'])
})

test('inside a transaction too what was lost is sent again, and one that stays in doubt is rolled back whole', async () => {
  const world = setup()
  const producer = await connected(world.driver, 'tx', world.runtime)
  const first = await producer.begin()
  world.cluster.failNextProduce('orders', 'answer-lost')
  expect(await world.runtime.run(write(first, 'a'))).toEqual(['@0'])
  await first.commit()
  const second = await producer.begin()
  world.cluster.failNextProduce('orders', 'indeterminate-written')
  expect(await write(second, 'never')).toEqual(['HOLDFAST_INDETERMINATE'])
  await second.abort()
  const third = await producer.begin()
  await write(third, 'b')
  await third.commit()
  expect(world.texts()).toEqual(['a', 'b'])
})

test('a begin whose answer is lost is asked for again, and what it had opened is rolled back', async () => {
  const world = setup()
  const producer = await connected(world.driver, 'tx', world.runtime)
  world.cluster.loseAnswers(true)
  world.runtime.clock.after(500, () => world.cluster.loseAnswers(false))
  const transaction = await world.runtime.run(producer.begin())
  await write(transaction, 'a')
  await transaction.commit()
  expect(world.texts()).toEqual(['a'])
})

test('a commit of a transaction whose answer is lost has happened, and the caller cannot know', async () => {
  const world = setup()
  const producer = await connected(world.driver, 'tx', world.runtime)
  const transaction = await producer.begin()
  await write(transaction, 'a')
  world.cluster.loseAnswers(true)
  await expect(transaction.commit()).rejects.toMatchObject({ code: 'HOLDFAST_INDETERMINATE' })
  world.cluster.loseAnswers(false)
  expect(world.texts()).toEqual(['a'])
})

test('a commit of offsets is indeterminate whether its request or its answer is lost; done it is with the latter alone', async () => {
  const world = setup()
  const { consumer, epoch } = await member(world)
  const { cluster } = world
  cluster.loseRequests(true, 'one')
  await expect(consumer.commit([{ ...target, offset: 1n, epoch }])).rejects.toMatchObject({
    code: 'HOLDFAST_INDETERMINATE',
  })
  expect(cluster.committed('inventory')).toEqual([])
  cluster.loseRequests(false, 'one')
  cluster.loseAnswers(true, 'one')
  await expect(consumer.commit([{ ...target, offset: 2n, epoch }])).rejects.toMatchObject({
    code: 'HOLDFAST_INDETERMINATE',
  })
  expect(cluster.committed('inventory')).toMatchObject([{ offset: 2n }])
})

test('a member whose answers are lost keeps its session and does not know it; records come when answers do', async () => {
  const world = setup()
  const heard = await member(world)
  world.cluster.loseAnswers(true, 'one')
  world.cluster.append([record('a')])
  const before = heard.consumer.lastHeartbeatAt()
  await world.runtime.advance(60_000)
  expect(world.cluster.members('inventory')).toHaveLength(1)
  expect(heard.consumer.lastHeartbeatAt()).toBe(before)
  expect(heard.events).toEqual(['assigned 0,1'])
  world.cluster.loseAnswers(false, 'one')
  await world.runtime.advance(1_000)
  expect(heard.events).toEqual(['assigned 0,1', 'a'])
})

test('a member whose requests are lost for longer than its session is put out, and finds out when they are not', async () => {
  const world = setup()
  const heard = await member(world)
  world.cluster.loseRequests(true, 'one')
  await world.runtime.advance(11_000)
  expect(world.cluster.members('inventory')).toEqual([])
  world.cluster.loseRequests(false, 'one')
  await world.runtime.advance(2_000)
  expect(heard.events).toEqual(['assigned 0,1', 'lost', 'assigned 0,1'])
})

test('a join is asked for again until it arrives, and once only when its answer is the assignment', async () => {
  for (const lose of ['loseRequests', 'loseAnswers'] as const) {
    const world = setup()
    const joining = member(world)
    world.cluster[lose](true)
    world.runtime.clock.after(5_000, () => world.cluster[lose](false))
    const heard = await world.runtime.run(joining)
    await world.runtime.advance(10_000)
    expect(heard.events).toEqual(['assigned 0,1'])
  }
})

test('an admin asks again when a message is lost, and gives up after a minute', async () => {
  const world = setup()
  const admin = world.driver.createAdmin(world.surroundings)
  world.cluster.loseAnswers(true)
  world.runtime.clock.after(5_000, () => world.cluster.loseAnswers(false))
  const counts = await world.runtime.run(admin.partitionCounts(['orders']))
  expect(counts.get('orders')).toBe(2)
  world.cluster.loseRequests(true)
  const failure = admin.partitionCounts(['orders']).catch((error: unknown) => error)
  expect(await world.runtime.run(failure)).toMatchObject({ code: 'HOLDFAST_UNAVAILABLE' })
})

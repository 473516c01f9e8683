import { expect, test } from 'vitest'
import { createMember, createWorld, numbers } from './member.ts'

test('delivers every record of its partitions in offset order, from the start positions that the core gave', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, ...numbers(0, 50))
  await world.send(1, ...numbers(100, 150))
  const member = await createMember({
    ...world,
    topics: [world.topic],
    callbacks: {
      onAssigned: async (partitions) =>
        partitions.map(({ topic, partition }) => ({ topic, partition, offset: partition === 0 ? 10n : 0n })),
    },
  })
  await member.start()
  await member.until(() => member.records().length === 90)

  const of = (wanted: number): string[] =>
    member
      .records()
      .filter(({ partition }) => partition === wanted)
      .map(({ value }) => String(value))
  expect(of(0)).toEqual(numbers(10, 50))
  expect(of(1)).toEqual(numbers(100, 150))
  expect(
    member.records().every(({ offset, timestamp }) => typeof offset === 'bigint' && typeof timestamp === 'bigint'),
  ).toBe(true)
})

test('starts where the group committed, so that a restart neither repeats nor skips', async () => {
  const world = await createWorld()
  await world.send(0, ...numbers(0, 20))
  const first = await createMember({ ...world, topics: [world.topic] })
  await first.start()
  await first.until(() => first.records().length === 20)
  await first.consumer.commit([
    { topic: world.topic, partition: 0, offset: 12n, epoch: first.epoch(), metadata: 'ranges: 14-16 ü' },
  ])
  await first.consumer.stop()

  const second = await createMember({ ...world, topics: [world.topic] })
  await second.start()
  await second.until(() => second.records().length === 8)

  expect(second.owned()).toEqual([
    { topic: world.topic, partition: 0, epoch: 1, committed: { offset: 12n, metadata: 'ranges: 14-16 ü' } },
  ])
  expect(second.values()).toEqual(numbers(12, 20))
})

test('commits in the middle of an assignment, so that a start position is fixed before the first record is handled', async () => {
  const world = await createWorld()
  const member = await createMember({
    ...world,
    topics: [world.topic],
    callbacks: {
      async onAssigned([assigned]) {
        const start = { topic: world.topic, partition: 0, offset: 3n, epoch: assigned!.epoch }
        await member.consumer.commit([start])
        return [start]
      },
    },
  })
  await world.send(0, ...numbers(0, 5))
  await member.start()
  await member.until(() => member.records().length === 2)

  expect(await world.committed()).toEqual({ 0: ['3', ''] })
  expect(member.values()).toEqual(numbers(3, 5))
})

test('hands a tombstone over as null and an empty value as empty, since they mean different things', async () => {
  const world = await createWorld()
  await world.send(
    0,
    { value: null, key: 'k' },
    { value: '', key: '' },
    { value: 'v', key: null, timestamp: '1700000000123' },
  )
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.records().length === 3)

  const [tombstone, empty, full] = member.records()
  expect(tombstone).toMatchObject({ value: null, key: Buffer.from('k'), offset: 0n, headers: [] })
  expect([empty!.value, empty!.key]).toEqual([Buffer.alloc(0), Buffer.alloc(0)])
  expect(full).toMatchObject({ key: null, timestamp: 1_700_000_000_123n, topic: world.topic, partition: 0 })
})

test('brings the headers of the bad-input corpus back as they stand on the log', async () => {
  const world = await createWorld()
  const bytes = (text: string): Buffer => Buffer.from(text)
  const headers = Object.assign(Object.create(null) as Record<string, Buffer | Buffer[]>, {
    plain: bytes('1'),
    twice: [bytes('a'), bytes('b')],
    empty: bytes(''),
    '': bytes('no name'),
    binary: Buffer.from([0xff, 0x00]),
    constructor: bytes('c'),
    toString: [bytes('t'), bytes('u')],
    hasOwnProperty: bytes('h'),
  })
  Object.defineProperty(headers, '__proto__', { value: bytes('p'), enumerable: true })
  await world.send(0, { value: 'v', headers })
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.records().length === 1)

  expect(member.records()[0]!.headers).toEqual([
    ['plain', bytes('1')],
    ['twice', bytes('a')],
    ['twice', bytes('b')],
    ['empty', bytes('')],
    ['', bytes('no name')],
    ['binary', Buffer.from([0xff, 0x00])],
    ['constructor', bytes('c')],
    ['toString', bytes('t')],
    ['toString', bytes('u')],
    ['hasOwnProperty', bytes('h')],
    ['__proto__', bytes('p')],
  ])
})

test('delivers nothing of a paused partition while its sibling flows, and everything of it after the resume', async () => {
  const world = await createWorld({ partitions: 2 })
  const member = await createMember({ ...world, topics: [world.topic] })
  const paused = [{ topic: world.topic, partition: 0 }]
  member.consumer.pause(paused)
  await member.start()
  await member.until(() => member.epoch() === 1)
  await world.send(0, ...numbers(0, 10))
  await world.send(1, ...numbers(10, 20))
  await member.until(() => member.records().length === 10)
  await world.send(1, 'last')
  await member.until(() => member.values().includes('last'))
  expect(new Set(member.records().map(({ partition }) => partition))).toEqual(new Set([1]))

  member.consumer.resume(paused)
  await member.until(() => member.records().length === 21)
  expect(member.values().slice(11)).toEqual(numbers(0, 10))
})

test('goes on at the offset of a seek without a record from before it, even one called while a batch is handed over', async () => {
  const world = await createWorld()
  await world.send(0, ...numbers(0, 30))
  let sought = false
  const member = await createMember({
    ...world,
    topics: [world.topic],
    callbacks: {
      onBatch() {
        if (sought) return
        sought = true
        member.consumer.seek({ topic: world.topic, partition: 0, offset: 25n })
      },
    },
  })
  await member.start()
  await member.until(
    () => member.values().at(-1) === '29' && member.heard.filter(({ kind }) => kind === 'batch').length === 2,
  )

  const batches = member.heard.flatMap((event) => (event.kind === 'batch' ? [event.batch] : []))
  expect(Array.from(batches[1]!.records, ({ value }) => String(value))).toEqual(numbers(25, 30))
})

test('leaves a partition without a start position alone until a seek', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, 'a')
  await world.send(1, 'b')
  const member = await createMember({
    ...world,
    topics: [world.topic],
    callbacks: { onAssigned: async () => [{ topic: world.topic, partition: 1, offset: 0n }] },
  })
  await member.start()
  await member.until(() => member.records().length === 1)
  expect(member.values()).toEqual(['b'])

  member.consumer.seek({ topic: world.topic, partition: 0, offset: 0n })
  await member.until(() => member.records().length === 2)
  expect(member.values()).toEqual(['b', 'a'])
})

test('goes on past transaction markers and aborted records, which kafkajs never hands over, without losing its place', async () => {
  const world = await createWorld()
  const transactional = world.kafka.producer({
    transactionalId: world.groupId,
    maxInFlightRequests: 1,
    idempotent: true,
  })
  await transactional.connect()
  const write = async (value: string, how: 'commit' | 'abort'): Promise<void> => {
    const transaction = await transactional.transaction()
    await transaction.send({ topic: world.topic, messages: [{ value, partition: 0 }] })
    await transaction[how]()
  }
  const member = await createMember({ ...world, topics: [world.topic] })
  await member.start()
  await member.until(() => member.epoch() === 1)
  try {
    await write('one', 'commit')
    await member.until(() => member.values().includes('one'))
    await write('gone', 'abort')
    await write('two', 'commit')
    await member.until(() => member.values().includes('two'))
    await world.send(0, 'three')
    await member.until(() => member.values().includes('three'))
  } finally {
    await transactional.disconnect()
  }

  expect(member.values()).toEqual(['one', 'two', 'three'])
  const last = member.heard.findLast((event) => event.kind === 'batch')
  expect(last?.kind === 'batch' && last.batch.nextOffset).toBe(7n) // one + marker, gone + marker, two + marker, three
})

import { expect, test } from 'vitest'
import type { Consumer, ConsumerEvents } from '../../src/consumer/index.ts'
import type { ConsumerCallbacks, Driver } from '../../src/driver/index.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const first = { topic: 'orders', partition: 0 }
const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }
const eventsOf = (consumer: Consumer): ConsumerEvents['out-of-range'][] => {
  const events: ConsumerEvents['out-of-range'][] = []
  consumer.listen('out-of-range', (event) => void events.push(event))
  return events
}

test('fail: the partition waits, health and an event name what is gone, the commit is unchanged, through a restart; seek mends it', async () => {
  const { consumer, append, runtime, start, committed, cluster, logged } = world()
  append(ids(10))
  cluster.setCommitted(GROUP, { ...first, offset: 3n })
  cluster.deleteRecordsBefore({ ...first, offset: 8n })
  for (const process of ['one', 'two']) {
    const seen: bigint[] = []
    const each = consumer({ ...session, process }).on(orders, (_, { offset }) => void seen.push(offset))
    const paused: string[] = []
    each.listen('paused', ({ reason }) => void paused.push(reason))
    await start(each)
    await runtime.advance(60_000)
    const reason = expect.stringContaining('offset 3 is not on the log: 5 offsets (3 to 7) are gone')
    expect(each.health()).toMatchObject({ status: 'unhealthy', partitions: [{ pausedFor: reason }] })
    expect([paused, seen, committed()]).toEqual([[reason], [], 3n])
    if (process === 'two') {
      await runtime.run(each.seek({ ...first, offset: 8n }))
      await runtime.runUntil(() => committed() === 10n)
      expect([seen, each.health().status]).toEqual([[8n, 9n], 'healthy'])
    }
    await runtime.run(each.close())
  }
  expect(
    logged.filter(({ fields }) => 'code' in fields && fields.code === 'HOLDFAST_OFFSET_OUT_OF_RANGE'),
  ).toHaveLength(2)
})

test('earliest: it goes on at the first record there is; the range passed over is an event and a log line, and the commit has moved', async () => {
  const { consumer, append, runtime, start, committed, cluster, logged } = world()
  append(ids(10))
  cluster.setCommitted(GROUP, { ...first, offset: 3n })
  cluster.deleteRecordsBefore({ ...first, offset: 8n })
  const seen: bigint[] = []
  const one = consumer({ onOutOfRange: 'earliest' }).on(orders, (_, { offset }) => void seen.push(offset))
  const events = eventsOf(one)
  await start(one)
  await runtime.runUntil(() => committed() === 10n)
  expect(seen).toEqual([8n, 9n])
  expect(events).toEqual([{ position: { ...first, offset: 3n }, earliest: 8n, latest: 10n, continuesAt: 8n }])
  expect(logged.filter(({ level }) => level === 'error').map(({ fields }) => fields)).toEqual([
    { record: 'orders[0]@3', earliest: 8n, latest: 10n, continuesAt: 8n, code: 'HOLDFAST_OFFSET_OUT_OF_RANGE' },
  ])
  await runtime.run(one.close())
})

test('latest: it goes on at the end, and that is committed without a record: a restart loses none that came meanwhile', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(10))
  cluster.setCommitted(GROUP, { ...first, offset: 3n })
  cluster.deleteRecordsBefore({ ...first, offset: 8n })
  const one = consumer({ ...session, onOutOfRange: 'latest' }).on(orders, () => {})
  const events = eventsOf(one)
  await start(one)
  await runtime.runUntil(() => committed() === 10n)
  expect(events).toMatchObject([{ continuesAt: 10n }])
  cluster.unreachable(true, 'one')
  append(ids(2, 11))
  const seen: bigint[] = []
  const two = consumer({ ...session, process: 'two', onOutOfRange: 'latest' }).on(
    orders,
    (_, { offset }) => void seen.push(offset),
  )
  await start(two)
  await runtime.runUntil(() => committed() === 12n)
  expect(seen).toEqual([10n, 11n])
  await runtime.run(two.close())
})

test.each(['earliest', 'latest'] as const)(
  '%s: what is held when retention overtakes it is worked off all the same, and nothing is committed past it before',
  async (onOutOfRange) => {
    const { consumer, append, runtime, start, committed, cluster } = world()
    append(ids(4))
    const hold = gate()
    const seen: bigint[] = []
    const one = consumer({ drainTimeoutMs: 1_000, maxBufferedRecords: 4, onOutOfRange }).on(
      orders,
      async (_, { offset }) => {
        seen.push(offset)
        if (offset === 0n) await hold.opened
      },
      { ordering: 'none', concurrency: 2 },
    )
    const events = eventsOf(one)
    await start(one)
    await runtime.runUntil(() => seen.length === 4)
    append(ids(6, 5))
    cluster.deleteRecordsBefore({ ...first, offset: 8n })
    await runtime.runUntil(() => events.length === 1)
    await runtime.advance(10_000)
    expect(committed()).toBe(0n)
    hold.open()
    await runtime.runUntil(() => committed() === 10n)
    expect(seen.toSorted()).toEqual(
      onOutOfRange === 'earliest' ? [0n, 1n, 2n, 3n, 8n, 9n].toSorted() : [0n, 1n, 2n, 3n].toSorted(),
    )
    await runtime.run(one.close())
  },
)

test('a log that was made anew is read from its beginning, after what was held of the old one is worked off', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(3))
  cluster.setCommitted(GROUP, { ...first, offset: 500n }) // of the log that was there before
  const seen: bigint[] = []
  const one = consumer({ onOutOfRange: 'earliest' }).on(orders, (_, { offset }) => void seen.push(offset))
  const events = eventsOf(one)
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect(seen).toEqual([0n, 1n, 2n])
  expect(events).toEqual([{ position: { ...first, offset: 500n }, earliest: 0n, latest: 3n, continuesAt: 0n }])
  await runtime.run(one.close())
})

test('a position that goes out of range again meanwhile is passed over again', async () => {
  const { consumer, append, runtime, start, committed, cluster, points } = world()
  append(ids(10))
  cluster.setCommitted(GROUP, { ...first, offset: 12n })
  cluster.deleteRecordsBefore({ ...first, offset: 4n })
  const drained = points.holdAt('seek:drained')
  const seen: bigint[] = []
  const one = consumer({ onOutOfRange: 'earliest' }).on(orders, (_, { offset }) => void seen.push(offset))
  const events = eventsOf(one)
  await start(one)
  await runtime.run(drained.reached)
  cluster.deleteRecordsBefore({ ...first, offset: 7n })
  drained.release()
  await runtime.runUntil(() => committed() === 10n)
  expect(events.map(({ continuesAt }) => continuesAt)).toEqual([4n, 7n])
  expect(seen).toEqual([7n, 8n, 9n])
  await runtime.run(one.close())
})

test('a seek that was asked for after a position was found out of range stands: passing over does not undo it', async () => {
  const { consumer, append, runtime, start, committed, cluster, points } = world()
  append(ids(10))
  cluster.setCommitted(GROUP, { ...first, offset: 12n })
  const drained = points.holdAt('seek:drained')
  const seen: bigint[] = []
  const one = consumer({ onOutOfRange: 'earliest' }).on(orders, (_, { offset }) => void seen.push(offset))
  await start(one)
  await runtime.run(drained.reached)
  const seeking = one.seek({ ...first, offset: 6n })
  drained.release()
  await runtime.run(seeking)
  await runtime.runUntil(() => committed() === 10n && seen.length >= 4)
  expect(seen.slice(-4)).toEqual([6n, 7n, 8n, 9n])
  await runtime.run(one.close())
})

test('an unknown policy is refused', () => {
  const { consumer } = world()
  expect(() => consumer({ onOutOfRange: 'skip' as 'fail' })).toThrow(
    expect.objectContaining({ problems: [expect.objectContaining({ path: 'onOutOfRange' })] }),
  )
})

test('health says what a partition waits for that goes on at an earlier place: nothing of it is fetched until then', async () => {
  const { consumer, append, runtime, start, driver } = world()
  append(ids(3))
  const base = driver()
  let callbacks: ConsumerCallbacks | undefined
  let epoch = 0
  const cut: Driver = {
    ...base,
    createConsumer(options) {
      const made = base.createConsumer(options)
      const start: typeof made.start = (topics, given) => {
        const onAssigned: typeof given.onAssigned = (partitions) => {
          epoch = partitions[0]!.epoch
          return given.onAssigned(partitions)
        }
        callbacks = { ...given, onAssigned }
        return made.start(topics, callbacks)
      }
      return { ...made, start }
    },
  }
  const hold = gate()
  const seen: bigint[] = []
  const one = consumer({ ...session, driver: cut, onOutOfRange: 'earliest' }).on(orders, (_, { offset }) => {
    seen.push(offset)
    if (seen.length !== 3) return undefined
    callbacks!.onOutOfRange({ ...first, offset: 3n, epoch, earliest: 0n, latest: 1n }) // the log was cut behind it
    return hold.opened
  })
  await start(one)
  await runtime.runUntil(() => seen.length === 3)
  await runtime.advance(1_000)
  expect(one.health()).toMatchObject({
    status: 'unhealthy',
    reasons: ['orders[0]: offset 3 is not on the log; it goes on at 0 once what is held is worked off'],
  })
  hold.open()
  await runtime.runUntil(() => seen.length > 3)
  expect([seen[3], one.health().status]).toEqual([0n, 'healthy'])
  await runtime.run(one.close())
})

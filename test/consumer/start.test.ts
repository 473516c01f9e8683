import { expect, test } from 'vitest'
import { deadLetters } from '../../src/dlq/index.ts'
import type { ConsumerOptions, SubscriptionOptions } from '../../src/consumer/index.ts'
import { createConsumer } from '../../src/consumer/index.ts'
import type { Problem } from '../../src/errors/index.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import { bytes, defineTopic } from '../../src/topic/index.ts'
import { GROUP, ids, orders, world } from './world.ts'

const raw = (name: string) => defineTopic({ name, codec: bytes() })
const problemsOf = async (work: Promise<unknown>): Promise<readonly Problem[]> =>
  work.then(
    () => [],
    (error: { problems: readonly Problem[] }) => error.problems,
  )

test.each([
  ['earliest', 'earliest' as const, ['o-1', 'o-2', 'o-3', 'late']],
  ['latest', 'latest' as const, ['late']],
  ['a time after the records', new Date(1_800_000_000_000), ['late']],
  ['a time before the records', new Date(1_600_000_000_000), ['o-1', 'o-2', 'o-3', 'late']],
])(
  'a group without commits starts at %s, and commits that before it handles anything',
  async (_, startAt, expected) => {
    const { consumer, append, runtime, start, committed, points } = world()
    append(ids(3))
    const seen: string[] = []
    const startCommit = points.holdAt('commit:before')
    const one = consumer({ startAt }).on(orders, ({ value }) => void seen.push(value.id))
    await start(one)
    await runtime.run(startCommit.reached)
    append([{ id: 'late' }])
    await runtime.advance(10_000)
    expect([seen, committed()]).toEqual([[], undefined])
    startCommit.release()
    await runtime.runUntil(() => committed() === 4n)
    expect(seen).toEqual(expected)
    await runtime.run(one.close())
  },
)

test('a start at latest that crashed before its first message loses nothing: its place was committed', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(3))
  const one = consumer({ startAt: 'latest' }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  cluster.unreachable(true, 'one')
  append([{ id: 'meanwhile' }])
  await runtime.advance(60_000)
  const seen: string[] = []
  const two = consumer({ process: 'two', startAt: 'latest' }).on(orders, ({ value }) => void seen.push(value.id))
  await start(two)
  await runtime.runUntil(() => committed() === 4n)
  expect(seen).toEqual(['meanwhile'])
  await runtime.run(two.close())
})

test('partitions that appear later start at their first record, also at latest: new records are never skipped', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(2))
  const seen: string[] = []
  const handler = ({ value }: { value: { id: string } }): void => void seen.push(value.id)
  const one = consumer({ startAt: 'latest', heartbeatIntervalMs: 1_000 }).on(orders, handler)
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  cluster.addPartitions('orders.dlq', 3)
  cluster.addPartitions('orders', 2)
  append([{ id: 'in new partition' }], { partition: 1 })
  await runtime.runUntil(() => committed(1) === 1n)
  await runtime.run(one.close())

  cluster.addPartitions('orders', 3)
  append([{ id: 'while away' }], { partition: 2 })
  const two = consumer({ process: 'two', startAt: 'latest' }).on(orders, handler)
  await start(two)
  await runtime.runUntil(() => committed(2) === 1n)
  expect(seen).toEqual(['in new partition', 'while away'])
  await runtime.run(two.close())
})

test('an offset that is gone from the log stops its partition: the range is named, the commit unchanged, after a restart too', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world({ partitions: 2 })
  append(ids(10))
  append(ids(2), { partition: 1 })
  cluster.setCommitted('inventory', { topic: 'orders', partition: 0, offset: 3n })
  cluster.deleteRecordsBefore({ topic: 'orders', partition: 0, offset: 8n })
  const seen: string[] = []
  for (const process of ['one', 'two']) {
    const each = consumer({ process }).on(orders, (_, { partition }) => void seen.push(`${partition}`))
    await start(each)
    await runtime.runUntil(() => committed(1) === 2n && each.health().status === 'unhealthy')
    await runtime.advance(60_000)
    expect(each.health().reasons).toEqual([
      expect.stringContaining('orders[0]: offset 3 is not on the log: 5 offsets (3 to 7) are gone'),
    ])
    expect(committed(0)).toBe(3n)
    await runtime.run(each.close())
  }
  expect(seen).toEqual(['1', '1'])
})

test('start fails at once when a topic is missing, names it, and can be tried again', async () => {
  const { consumer, runtime, cluster } = world()
  const one = consumer()
    .on(orders, () => {})
    .on(raw('payments'), () => {})
  await expect(runtime.run(one.start())).rejects.toMatchObject({
    code: 'HOLDFAST_TOPIC_UNKNOWN',
    problems: [{ path: 'payments' }],
  })
  expect(one.health().state).toBe('new')
  cluster.createTopic({ topic: 'payments' })
  cluster.createTopic({ topic: 'payments.dlq' })
  await runtime.run(one.start())
  expect(one.health()).toMatchObject({ state: 'running', status: 'healthy' })
  await runtime.run(one.close())
})

test('start fails when dead letter topics are missing or too small, listing all of them and what to do', async () => {
  const { consumer, runtime, cluster } = world({ partitions: 3 })
  cluster.createTopic({ topic: 'payments', partitions: 2 })
  cluster.createTopic({ topic: 'stock', partitions: 4 })
  cluster.createTopic({ topic: 'stock.dlq', partitions: 1 })
  const one = consumer()
    .on(orders, () => {})
    .on(raw('payments'), () => {})
    .on(raw('stock'), () => {})
  await expect(runtime.run(one.start())).rejects.toMatchObject({ code: 'HOLDFAST_DEAD_LETTER_TOPIC_UNFIT' })
  const problems = await problemsOf(runtime.run(one.start()))
  expect(problems).toEqual([
    { path: 'payments.dlq', message: expect.stringMatching(/does not exist: create it with 2 partitions or more/) },
    { path: 'stock.dlq', message: expect.stringMatching(/has 1 partitions, stock has 4/) },
  ])
})

test.each<[string, Readonly<Record<string, unknown>>, readonly string[]]>([
  ['an empty group', { groupId: '' }, ['groupId']],
  ['text for a number', { concurrency: '8' }, ['concurrency']],
  [
    'NaN and infinity',
    { sessionTimeoutMs: Number.NaN, drainTimeoutMs: Infinity },
    ['sessionTimeoutMs', 'drainTimeoutMs'],
  ],
  ['an invalid date', { startAt: new Date('never') }, ['startAt']],
  ['a misspelt option', { maxBufferBytes: 1 }, ['options']],
  ['no driver', { driver: {} }, ['driver']],
  ['a heartbeat as long as the session', { sessionTimeoutMs: 3_000 }, ['heartbeatIntervalMs']],
  ['a drain that outlasts the rebalance', { drainTimeoutMs: 60_000 }, ['rebalanceTimeoutMs']],
  ['a group that is no Unicode, and so another one on the wire', { groupId: 'g\ud800' }, ['groupId']],
  [
    'what does not fit by itself and what does not fit together',
    { groupId: 1, sessionTimeoutMs: 3_000, drainTimeoutMs: 60_000 },
    ['groupId', 'heartbeatIntervalMs', 'rebalanceTimeoutMs'],
  ],
  ['several at once', { groupId: 1, startAt: 'now', commitIntervalMs: -1 }, ['groupId', 'startAt', 'commitIntervalMs']],
])('options that do not fit are refused, all at once: %s', (_, options, paths) => {
  const { driver, runtime } = world()
  const create = (): unknown =>
    createConsumer({ driver: driver(), groupId: 'g', runtime, ...options } as ConsumerOptions)
  expect(create).toThrow(expect.objectContaining({ code: 'HOLDFAST_CONFIG_INVALID' }))
  try {
    create()
  } catch (error) {
    expect((error as { problems: readonly Problem[] }).problems.map(({ path }) => path)).toEqual(paths)
  }
})

test('start refuses everything that is wrong with the topics at once, before it connects', async () => {
  const { consumer, runtime, cluster } = world()
  cluster.unreachable(true)
  const one = consumer()
    .on(orders, () => {})
    .on(orders, () => {})
    .on(raw('a'), () => {}, { deadLetter: false })
    .on(raw('b'), () => {}, { deadLetter: { topic: 'orders' } })
    .on(raw('c.dlq'), () => {})
    .on(raw('d'), () => {}, {
      retry: { maxAttempts: 0, maxAttemps: 3 },
      errors: [{ when: 'E', verdict: 'explode' }],
    } as unknown as SubscriptionOptions)
    .on(raw('e'), () => {}, { dedupe: { store: {}, leaseMs: 10 } } as unknown as SubscriptionOptions)
    .on(raw('f'), undefined as unknown as () => void, { onExhausted: 'skip' })
  const problems = await problemsOf(runtime.run(one.start()))
  expect(problems.map(({ path }) => path).toSorted()).toEqual(
    [
      'a.onExhausted',
      'b.deadLetter',
      'c.dlq.deadLetter',
      'd.errors.0.verdict',
      'd.errors.0.when',
      'd.retry',
      'd.retry.maxAttempts',
      'e.dedupe.leaseMs',
      'e.dedupe.store',
      'f',
      'f.onExhausted',
      'orders',
    ].toSorted(),
  )
})

test('a consumer without topics, or with one added after start, is refused', async () => {
  const { consumer, runtime, start } = world()
  await expect(runtime.run(consumer().start())).rejects.toMatchObject({ problems: [{ path: 'on' }] })
  const one = consumer().on(orders, () => {})
  await start(one)
  expect(() => one.on(raw('late'), () => {})).toThrow(/before start/)
  await runtime.run(one.close())
})

test('a monitor reads dead letters in a few lines, parked tombstones too, and parks nothing itself', async () => {
  const { consumer, append, runtime, start, cluster, driver } = world()
  append([{ id: 'bad' }, null, Buffer.from('nonsense')])
  const failing = consumer().on(
    orders,
    () => {
      throw new Error('no stock')
    },
    {
      retry: { maxAttempts: 1 },
      onTombstone: () => {
        throw new Error('no delete')
      },
    },
  )
  await start(failing)
  await runtime.runUntil(() => cluster.records('orders.dlq').length === 3)
  append([Buffer.from('by hand')], { topic: 'orders.dlq' })
  const seen: string[] = []
  const monitor = createConsumer({ driver: driver('monitor'), groupId: 'monitor', runtime }).on(
    deadLetters(orders),
    ({ value: letter }) => {
      if (letter.kind === 'foreign') seen.push(`foreign ${Buffer.from(letter.value!).toString()}`)
      else
        seen.push(
          `${letter.origin.topic}@${letter.origin.offset} ${letter.reason} ${letter.error?.message.split(':')[0]} ${letter.value === null}`,
        )
    },
  )
  await start(monitor)
  await runtime.runUntil(() => seen.length === 4)
  expect(seen).toEqual([
    'orders@0 handler-failed no stock false',
    'orders@1 handler-failed no delete true',
    'orders@2 decode-failed orders[0]@2 cannot be decoded as application/json false',
    'foreign by hand',
  ])
  await runtime.run(Promise.all([failing.close(), monitor.close()]))
})

test('a close while the cluster does not say where a partition starts ends the asking: nothing keeps the process alive', async () => {
  const { driver, runtime, logger } = world()
  const base = driver()
  let asked = 0
  const mute: typeof base = {
    ...base,
    createAdmin: (options) => ({
      ...base.createAdmin(options),
      offsetRanges: () => {
        asked++
        return Promise.reject(new HoldfastError('HOLDFAST_UNAVAILABLE', 'no leader'))
      },
    }),
  }
  const one = createConsumer({ driver: mute, groupId: GROUP, runtime, logger }).on(orders, () => {})
  const starting = one.start()
  starting.catch(() => {})
  await runtime.runUntil(() => asked === 2)
  await runtime.run(one.close())
  const before = asked
  await runtime.advance(600_000)
  expect([asked, runtime.clock.pending]).toEqual([before, 0])
})

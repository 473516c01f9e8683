import { expect, test } from 'vitest'
import type { Consumer, ConsumerEvents } from '../../src/consumer/index.ts'
import { skip } from '../../src/consumer/index.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import type { World } from './world.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }
const once = { maxAttempts: 1 }
const first = { topic: 'orders', partition: 0 }

test('health counts what is held and under way, and says for how long the record at the watermark has been here', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  append(ids(3), { key: 'a' })
  append(ids(2), { key: 'b' })
  const hold = gate()
  const one = consumer().on(orders, () => hold.opened)
  await start(one)
  await runtime.advance(7_000)
  expect(one.health()).toEqual({
    status: 'healthy',
    reasons: [],
    state: 'running',
    unguarded: 0,
    partitions: [
      { ...first, watermark: 0n, buffered: 5, underWay: 2, headAgeMs: 7_000, pausedFor: null },
      { topic: 'orders', partition: 1, watermark: 0n, buffered: 0, underWay: 0, headAgeMs: 0, pausedFor: null },
    ],
  })
  hold.open()
  await runtime.runUntil(() => committed() === 5n)
  expect(one.health().partitions[0]).toMatchObject({ watermark: 5n, buffered: 0, underWay: 0, headAgeMs: 0 })
  await runtime.run(one.close())
  expect(one.health()).toMatchObject({ state: 'closed', partitions: [] })
})

test('the record at the watermark is as old as it is, though it waits in a lane that an earlier epoch keeps closed', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(1), { key: 'stuck' })
  append(ids(1), { key: 'free' })
  const hold = gate()
  let calls = 0
  const one = consumer(session).on(orders, async (_, { offset }) => {
    if (offset === 0n && ++calls === 1) await hold.opened
  })
  await start(one)
  await runtime.runUntil(() => calls === 1)
  cluster.expireSession(GROUP)
  await runtime.runUntil(() => one.health().reasons.some((reason) => reason.includes('earlier assignment')))
  await runtime.advance(20_000)
  expect(one.health().partitions[0]!.headAgeMs).toBeGreaterThanOrEqual(20_000)
  hold.open()
  await runtime.runUntil(() => committed() === 2n)
  await runtime.run(one.close())
})

test('a wait that needs nobody keeps a consumer healthy, and is named: the next attempt, pause()', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  let failing = true
  const one = consumer().on(
    orders,
    () => {
      if (failing) throw new RangeError('no')
    },
    { retry: { maxAttempts: 5, initialDelayMs: 5_000 } },
  )
  await start(one)
  await runtime.advance(1_000)
  expect(one.health()).toMatchObject({
    status: 'healthy',
    partitions: [{ pausedFor: 'attempt 1 failed (RangeError); the next one follows', underWay: 1 }],
  })
  failing = false
  await runtime.runUntil(() => committed() === 1n)
  one.pause(['orders'])
  expect(one.health()).toMatchObject({ status: 'healthy', partitions: [{ pausedFor: 'pause() was called' }] })
  one.resume()
  expect(one.health().partitions[0]!.pausedFor).toBeNull()
  await runtime.run(one.close())
})

test('before start, and after an error rule stopped it, the state says so', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(1))
  const one = consumer().on(
    orders,
    () => {
      throw new TypeError('a bug')
    },
    { errors: [{ when: TypeError, verdict: 'stop' }] },
  )
  expect(one.health()).toEqual({
    status: 'unhealthy',
    reasons: ['the consumer is new'],
    state: 'new',
    unguarded: 0,
    partitions: [],
  })
  await start(one)
  await expect(runtime.run(one.closed)).rejects.toMatchObject({ code: 'HOLDFAST_STOPPED_BY_RULE' })
  expect(one.health()).toMatchObject({ state: 'failed', reasons: [expect.stringContaining('TypeError')] })
})

type Scene = (stage: World) => Promise<Consumer> | Consumer
const record = { ...first, offset: 0n }
const onFirst = (consumer: Consumer, act: () => void): void => {
  const off = consumer.listen('assigned', () => {
    off()
    act()
  })
}

/** For each event: how it comes about, and what it says. `Record` keeps the list whole. */
const scenes: Record<keyof ConsumerEvents, readonly [Scene, unknown]> = {
  assigned: [({ consumer }) => consumer().on(orders, () => {}), { partitions: [first] }],
  revoked: [
    ({ consumer }) => {
      const one = consumer({ ...session, process: 'b' }).on(orders, () => {})
      const other = consumer({ ...session, process: 'a' }).on(orders, () => {})
      onFirst(one, () => void other.start())
      return one
    },
    { partitions: [first] },
  ],
  lost: [
    ({ consumer, cluster }) => {
      const one = consumer(session).on(orders, () => {})
      onFirst(one, () => cluster.expireSession(GROUP))
      return one
    },
    { partitions: [first] },
  ],
  handled: [
    ({ consumer, append }) => {
      append([{ id: 'o-1' }], { headers: [['holdfast-id', Buffer.from('id-1')]] })
      return consumer().on(orders, () => {})
    },
    { position: record, messageId: 'id-1', attempts: 1 },
  ],
  duplicate: [
    ({ consumer, append, runtime }) => {
      const headers = [['holdfast-id', Buffer.from('id-1')]] as const
      append([{ id: 'o-1' }, { id: 'o-1' }], { headers })
      return consumer().on(orders, () => {}, { dedupe: { store: memoryDedupeStore({ runtime }) } })
    },
    { position: { ...first, offset: 1n }, messageId: 'id-1' },
  ],
  retrying: [
    ({ consumer, append }) => {
      append(ids(1))
      return consumer().on(
        orders,
        () => {
          throw new Error('no')
        },
        { retry: { maxAttempts: 2, initialDelayMs: 100, jitter: 0 } },
      )
    },
    { position: record, attempt: 1, delayMs: 100, error: expect.objectContaining({ message: 'no' }) },
  ],
  parked: [
    ({ consumer, append }) => {
      append([Buffer.from('nonsense')])
      return consumer().on(orders, () => {})
    },
    { position: record, deadLetterTopic: 'orders.dlq', reason: 'decode-failed' },
  ],
  skipped: [
    ({ consumer, append }) => {
      append(ids(1))
      return consumer().on(orders, () => skip('by decision'))
    },
    { position: record, reason: 'by decision' },
  ],
  abandoned: [
    ({ consumer, append, cluster }) => {
      append(ids(1))
      const untilAborted = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> => {
        cluster.expireSession(GROUP)
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      }
      return consumer(session).on(orders, untilAborted, { delivery: 'at-most-once' })
    },
    { position: record },
  ],
  unguarded: [
    ({ consumer, append }) => {
      append([{ id: 'o-1' }], { headers: [['holdfast-id', Buffer.from('id-1')]] })
      const out = (): never => {
        throw new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'down', { retriable: true })
      }
      const store = { begin: out, complete: out, abandon: out, renew: out }
      return consumer().on(orders, () => {}, { dedupe: { store, onStoreDown: 'handle' } })
    },
    { position: record, messageId: 'id-1', step: 'begin' },
  ],
  'forged-headers': [
    ({ consumer, append }) => {
      const headers = [
        ['holdfast-retry-attempt', Buffer.from('9')],
        ['mine', null],
        ['holdfast-dlq-topic', Buffer.from('theirs')],
      ] as const
      append(ids(1), { headers })
      return consumer().on(orders, () => {})
    },
    { position: record, count: 2 },
  ],
  paused: [
    ({ consumer, append, cluster }) => {
      append([Buffer.from('nonsense')])
      cluster.partitionUnwritable('orders.dlq', true)
      return consumer().on(orders, () => {})
    },
    { partition: first, reason: expect.stringContaining('orders[0]@0') },
  ],
  resumed: [
    ({ consumer, append, cluster }) => {
      append([Buffer.from('nonsense')])
      cluster.failNextProduce('orders.dlq', 'unavailable')
      return consumer().on(orders, () => {})
    },
    { partition: first },
  ],
  committed: [
    ({ consumer, append, cluster }) => {
      append(ids(1))
      cluster.setCommitted(GROUP, record)
      return consumer().on(orders, () => {})
    },
    { positions: [{ ...first, offset: 1n }] },
  ],
  'timed-out': [
    ({ consumer, append, runtime }) => {
      append(ids(1))
      return consumer().on(orders, () => runtime.clock.sleep(5_000), { handlerTimeoutMs: 1_000 })
    },
    { position: record, attempt: 1, afterMs: 1_000 },
  ],
  late: [
    ({ consumer, append, runtime }) => {
      append(ids(1))
      return consumer().on(orders, () => runtime.clock.sleep(5_000), { handlerTimeoutMs: 1_000 })
    },
    { position: record, afterMs: 5_000, ended: 'resolved' },
  ],
  'out-of-range': [
    ({ consumer, append, cluster }) => {
      append(ids(3))
      cluster.setCommitted(GROUP, record)
      cluster.deleteRecordsBefore({ ...first, offset: 2n })
      return consumer({ onOutOfRange: 'earliest' }).on(orders, () => {})
    },
    { position: record, earliest: 2n, latest: 3n, continuesAt: 2n },
  ],
  seeked: [
    ({ consumer, append }) => {
      append(ids(3))
      const one = consumer().on(orders, () => {})
      one.listen('handled', ({ position: { offset } }) => {
        if (offset === 0n) void one.seek({ ...first, offset: 2n })
      })
      return one
    },
    { positions: [{ ...first, offset: 2n }] },
  ],
  blocked: [
    ({ consumer, runtime }) => {
      const one = consumer().on(orders, () => {})
      onFirst(one, () => runtime.clock.block(20_000))
      return one
    },
    { forMs: 19_500 },
  ],
  'stale-refused': [
    ({ consumer, append, cluster }) => {
      append(ids(1))
      const one = consumer(session).on(orders, async () => cluster.expireSession(GROUP), { retry: once })
      return one
    },
    { position: { ...first, offset: expect.any(BigInt) }, operation: 'commit' },
  ],
  crashed: [
    ({ consumer, cluster, runtime }) => {
      const one = consumer().on(orders, () => {})
      onFirst(one, () => void runtime.clock.after(1_000, () => cluster.crashConsumer(GROUP)))
      return one
    },
    { error: expect.objectContaining({ code: 'HOLDFAST_CONSUMER_CRASHED' }), restartInMs: expect.any(Number) },
  ],
}

test.each(Object.entries(scenes) as [keyof ConsumerEvents, readonly [Scene, unknown]][])(
  'the event %s comes when it should, and says what it should',
  async (name, [scene, expected]) => {
    const stage = world()
    const one = await scene(stage)
    const events: unknown[] = []
    one.listen(name, (event) => void events.push(event))
    await stage.start(one)
    await stage.runtime.runUntil(() => events.length > 0, { maxMs: 300_000 })
    expect(events[0]).toEqual(expected)
    await stage.runtime.run(one.close())
  },
)

test('a listener that throws changes nothing, is logged, and keeps the others from nothing; a listener can be taken off', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append(ids(2))
  const one = consumer().on(orders, () => {})
  let heard = 0
  one.listen('handled', () => {
    throw new Error('a bug of a listener')
  })
  const off = one.listen('handled', () => {
    heard++
    off()
  })
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect([heard, logged.filter(({ message }) => message.startsWith('a listener threw')).length]).toEqual([1, 2])
  await runtime.run(one.close())
})

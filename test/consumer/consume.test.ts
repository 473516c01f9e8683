import { expect, test, vi } from 'vitest'
import type { Driver } from '../../src/driver/index.ts'
import { gate, ids, orders, world } from './world.ts'

test('handles every record in order, and commits the offset after the last', async () => {
  const { consumer, append, runtime, committed, start } = world()
  append(ids(5))
  const seen: string[] = []
  const one = consumer().on(orders, ({ value }) => void seen.push(value.id))
  await start(one)
  await runtime.runUntil(() => committed() === 5n)
  expect(seen).toEqual(['o-1', 'o-2', 'o-3', 'o-4', 'o-5'])
  await runtime.run(one.close())
})

test('gives the handler the schema’s output, the record’s bytes, its place and its attempt', async () => {
  const { consumer, append, runtime, start } = world()
  append([{ id: 'o-1' }], {
    headers: [
      ['holdfast-id', Buffer.from('id-1')],
      ['holdfast-source', Buffer.from('shop')],
      ['x', null],
    ],
  })
  const handler = vi.fn()
  const one = consumer().on(orders, handler)
  await start(one)
  await runtime.runUntil(() => handler.mock.calls.length === 1)
  const [message, context] = handler.mock.calls[0]!
  const { id, source, time, value } = message
  const whole = { id: 'id-1', source: 'shop', time: new Date(1_700_000_000_000), value: { id: 'o-1', n: 0 } }
  expect({ id, source, time, value }).toEqual(whole)
  expect(JSON.parse(JSON.stringify(message))).toEqual(JSON.parse(JSON.stringify(whole)))
  expect(context).toMatchObject({ topic: 'orders', partition: 0, offset: 0n, attempt: 1, redelivered: false })
  expect(context.headers).toHaveLength(3)
  expect(Buffer.from(context.record.value).toString()).toBe('{"id":"o-1"}')
  await runtime.run(one.close())
})

test('gives the time that the message carries, since a topic may overwrite the record’s; the record’s where it carries none', async () => {
  const { consumer, append, runtime, start } = world()
  const given = [
    '5',
    '8640000000000000',
    '8640000000000001',
    '12345678901234567',
    '-5',
    '+5',
    '5.0',
    '1e3',
    ' 5',
    '',
    null,
  ]
  for (const time of given)
    append([{ id: 'o-1' }], { headers: [['holdfast-time', time === null ? null : Buffer.from(time)]] })
  const times: number[] = []
  const one = consumer().on(orders, ({ time }) => void times.push(time.getTime()))
  await start(one)
  await runtime.runUntil(() => times.length === given.length)
  expect(times).toEqual([5, 8_640_000_000_000_000, ...given.slice(2).map(() => 1_700_000_000_000)])
  await runtime.run(one.close())
})

test('does not commit past a record whose handler is still running', async () => {
  const { consumer, append, runtime, committed, start } = world()
  append(ids(3))
  const second = gate()
  const seen: string[] = []
  const one = consumer().on(orders, async ({ value }) => {
    seen.push(value.id)
    if (value.id === 'o-2') await second.opened
  })
  await start(one)
  await runtime.runUntil(() => seen.length === 2)
  await runtime.advance(5_000)
  expect(committed()).toBe(1n)
  expect(seen).toEqual(['o-1', 'o-2'])
  second.open()
  await runtime.runUntil(() => committed() === 3n)
  await runtime.run(one.close())
})

test('a value that is no outcome of ours means handled: a number, true, a row', async () => {
  const { consumer, append, runtime, committed, start } = world()
  append(ids(4))
  const returned: unknown[] = [1, true, { kind: 'row' }, { kind: 'park' }]
  const one = consumer().on(orders, (() => returned.shift()) as () => void)
  await start(one)
  await runtime.runUntil(() => committed() === 4n)
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('strips headers that only our own topics may carry, so that nobody can forge an origin or an attempt', async () => {
  const { consumer, append, runtime, start } = world()
  append([{ id: 'o-1' }], {
    headers: [
      ['holdfast-dlq-topic', Buffer.from('other')],
      ['a', Buffer.from('1')],
      ['holdfast-retry-attempt', Buffer.from('99')],
    ],
  })
  const handler = vi.fn()
  const one = consumer().on(orders, handler)
  await start(one)
  await runtime.runUntil(() => handler.mock.calls.length === 1)
  expect(handler.mock.calls[0]![1].headers.map(([name]: [string]) => name)).toEqual(['a'])
  expect(handler.mock.calls[0]![1].attempt).toBe(1)
  await runtime.run(one.close())
})

test('a tombstone without a handler is skipped and told, and its offset moves; with one it is handled', async () => {
  const { consumer, append, runtime, committed, start, cluster } = world()
  append([null])
  const skipped: unknown[] = []
  const one = consumer().on(orders, () => {})
  one.listen('skipped', (event) => skipped.push(event))
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(skipped).toEqual([{ position: { topic: 'orders', partition: 0, offset: 0n }, reason: 'tombstone' }])
  await runtime.run(one.close())

  append([null])
  const deleted: string[] = []
  const two = consumer().on(orders, () => {}, {
    onTombstone: ({ key }) => void deleted.push(Buffer.from(key!).toString()),
  })
  await start(two)
  await runtime.runUntil(() => committed() === 2n)
  expect(deleted).toEqual(['k'])
  expect(cluster.records('orders.dlq')).toEqual([])
  await runtime.run(two.close())
})

test('no more messages are in handlers than the concurrency allows, one of a partition', async () => {
  const { consumer, append, runtime, start } = world({ partitions: 4 })
  for (const partition of [0, 1, 2, 3]) append(ids(3), { partition })
  let running = 0
  let most = 0
  let done = 0
  const one = consumer({ concurrency: 2 }).on(orders, async () => {
    most = Math.max(most, ++running)
    await runtime.clock.sleep(10)
    running--
    done++
  })
  await start(one)
  await runtime.runUntil(() => done === 12)
  expect(most).toBe(2)
  await runtime.run(one.close())
})

test('a partition that waits between attempts holds no slot: the others go on', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  append([{ id: 'bad' }], { partition: 0 })
  append(ids(5), { partition: 1 })
  const one = consumer({ concurrency: 1 }).on(
    orders,
    ({ value }) => {
      if (value.id === 'bad') throw new Error('no')
    },
    { retry: { initialDelayMs: 60_000, maxDelayMs: 60_000 } },
  )
  await start(one)
  await runtime.runUntil(() => committed(1) === 5n, { maxMs: 1_000 })
  expect(committed(0)).toBe(0n)
  await runtime.run(one.close())
})

test('pause holds a topic at its next message and resume lets it go on, without leaving the group', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  const seen: string[] = []
  const one = consumer().on(orders, ({ value }) => void seen.push(value.id))
  one.pause(['orders'])
  append(ids(2))
  await start(one)
  await runtime.advance(60_000)
  expect(seen).toEqual([])
  expect(one.health().partitions[0]).toMatchObject({ pausedFor: 'pause() was called', buffered: 2 })
  expect(cluster.members('inventory')).toHaveLength(1)
  one.resume()
  await runtime.runUntil(() => seen.length === 2)
  expect(() => one.pause(['nope'])).toThrow(/nope/)
  await runtime.run(one.close())
})

test('buffers are bounded: a full partition is paused at the driver, and everything still arrives once', async () => {
  const { consumer, append, runtime, start, committed } = world()
  const first = gate()
  const seen: string[] = []
  append([{ id: 'o-0', pad: 'x'.repeat(600_000) }])
  const one = consumer({ maxBufferedBytes: 200_000 }).on(orders, async ({ value }) => {
    seen.push(value.id)
    await first.opened
  })
  await start(one)
  await runtime.runUntil(() => seen.length === 1)
  append(ids(50))
  await runtime.advance(60_000)
  expect(one.health().partitions[0]!.buffered).toBe(1)
  first.open()
  await runtime.runUntil(() => committed() === 51n)
  expect(seen).toEqual(['o-0', ...ids(50).map(({ id }) => id)])
  await runtime.run(one.close())
})

test('a throwing listener is logged and changes nothing, and the others still hear', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append(ids(1))
  const heard: string[] = []
  const one = consumer().on(orders, () => {})
  one.listen('handled', () => {
    throw new Error('listener')
  })
  const stop = one.listen('handled', ({ messageId, attempts }) => heard.push(`${messageId} ${attempts}`))
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  stop()
  append(ids(1))
  await runtime.runUntil(() => committed() === 2n)
  expect(heard).toEqual(['orders[0]@0 1'])
  expect(logged.filter(({ message }) => message.startsWith('a listener threw'))).toHaveLength(2)
  await runtime.run(one.close())
})

test('a logger that throws decides nothing', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append([{ id: 'bad' }, { id: 'o-1' }])
  const fail = (): never => {
    throw new Error('disk full')
  }
  const one = consumer({ logger: { debug: fail, info: fail, warn: fail, error: fail } }).on(
    orders,
    ({ value }, { log }) => {
      log.info({}, 'hello')
      if (value.id === 'bad') throw new Error('no')
    },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(deadLetters()).toHaveLength(1)
  await runtime.run(one.close())
})

test('a record of a compacted or transactional log is passed by its real offset, gaps and all', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(1))
  cluster.skipOffsetsTo({ topic: 'orders', partition: 0, offset: 9_007_199_254_740_993n })
  append(ids(1, 2))
  const offsets: bigint[] = []
  const one = consumer().on(orders, (_, { offset }) => void offsets.push(offset))
  await start(one)
  await runtime.runUntil(() => committed() === 9_007_199_254_740_994n)
  expect(offsets).toEqual([0n, 9_007_199_254_740_993n])
  await runtime.run(one.close())
})

test('a batch that the driver delivers twice is handled once: after a pause it may be fetched again', async () => {
  const { consumer, append, runtime, start, committed, driver } = world()
  append(ids(3))
  const inner = driver()
  const doubling: Driver = {
    ...inner,
    createConsumer(options) {
      const made = inner.createConsumer(options)
      return {
        ...made,
        start: (topics, callbacks) =>
          made.start(topics, {
            ...callbacks,
            onBatch(batch) {
              callbacks.onBatch(batch)
              callbacks.onBatch(batch)
            },
          }),
      }
    },
  }
  const seen: string[] = []
  const one = consumer({ driver: doubling }).on(orders, ({ value }) => void seen.push(value.id))
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  await runtime.advance(1_000)
  expect(seen).toEqual(['o-1', 'o-2', 'o-3'])
  await runtime.run(one.close())
})

import { expect, test } from 'vitest'
import { createConsumer, park } from '../../../src/consumer/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import { createInMemoryCluster, inMemoryDriver, waitUntilHandled, waitUntilIdle } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { gate, GROUP, ids, orders, world } from '../../consumer/world.ts'

test('it resolves when a record got its outcome, with which one, by the real clock and no waiting', async () => {
  const driver = inMemoryDriver({ cluster: createInMemoryCluster({ topics: ['orders', 'orders.dlq'] }) })
  const producer = createProducer({ driver })
  const consumer = createConsumer({ driver, groupId: GROUP }).on(orders, ({ value }) =>
    value.id === 'bad' ? park('bad') : undefined,
  )
  await consumer.start()
  const two = waitUntilHandled(consumer, undefined, { count: 2 })
  const sent = await producer.send(orders, { id: 'o-1' })
  const bad = await producer.send(orders, { id: 'bad' })
  expect(await two).toEqual([
    { outcome: 'handled', position: expect.objectContaining({ offset: 0n }), messageId: sent.id, attempts: 1 },
    { outcome: 'parked', position: { topic: 'orders', partition: 0, offset: bad.offset }, reason: 'parked-by-handler' },
  ])
  await consumer.close()
  await producer.close()
})

test('what send answered with may be waited for at any time, also when it is done already', async () => {
  const { append, consumer: create, runtime, start } = world()
  const consumer = create().on(orders, () => {})
  await start(consumer)
  append(ids(2))
  const places = [1n, 0n].map((offset) => ({ topic: 'orders', partition: 0, offset }))
  const outcomes = (await waitUntilHandled(consumer, places, { runtime })).map(({ outcome }) => outcome)
  expect(outcomes).toEqual(['handled', 'handled'])
  const again = await waitUntilHandled(consumer, places, { runtime })
  expect(again).toEqual(places.map((position) => ({ outcome: 'earlier', position })))
})

test('a function picks the record, and others do not count', async () => {
  const { append, consumer: create, runtime, start } = world()
  const consumer = create().on(orders, () => {})
  await start(consumer)
  append(ids(5))
  const [third] = await waitUntilHandled(consumer, ({ position }) => position.offset === 3n, { runtime })
  expect(third.position.offset).toBe(3n)
})

test('with a virtual runtime it moves the time, so that an hour of attempts takes none', async () => {
  const { append, consumer: create, runtime, start, cluster } = world()
  let calls = 0
  const fail = (): void => {
    if (++calls < 4) throw new Error('down')
  }
  const consumer = create().on(orders, fail, {
    retry: { maxAttempts: 4, initialDelayMs: 1_200_000, factor: 1, maxDelayMs: 1_200_000, jitter: 0 },
  })
  await start(consumer)
  append(ids(1))
  const began = runtime.clock.now()
  const [record] = await waitUntilHandled(consumer, undefined, { runtime, timeoutMs: 7_200_000 })
  expect(record.attempts).toBe(4)
  expect(runtime.clock.now() - began).toBe(3_600_000)
  await waitUntilIdle(consumer, { cluster, groupId: GROUP, runtime })
})

test('when the time is up, the error says what was seen instead, without payloads', async () => {
  const { append, consumer: create, runtime, start } = world()
  const consumer = create().on(orders, ({ value }) => {
    if (value.id === 'o-2') throw Object.assign(new TypeError('secret'), { code: 'E_DOWN' })
  })
  await start(consumer)
  append(ids(2))
  const error = await failureOf(waitUntilHandled(consumer, undefined, { count: 3, timeoutMs: 30_000, runtime }))
  expect(error.code).toBe('HOLDFAST_NOT_AS_EXPECTED')
  expect(error.message).toContain('waitUntilHandled: 2 of 3 records got their outcome within 30000 ms')
  expect(error.message).toContain('seen meanwhile: handled orders[0]@0, parked orders[0]@1 (handler-failed)')
  expect(error.message).toContain('orders[0]@1: attempt 1 failed: TypeError E_DOWN')
  expect(error.message).toContain('the consumer is running with 1 partitions, 0 records held')
  expect(error.message).not.toMatch(/secret|o-2/)
  const place = { topic: 'orders', partition: 0, offset: 9n }
  const missing = await failureOf(waitUntilHandled(consumer, place, { timeoutMs: 10, runtime }))
  expect(missing.message).toContain('no outcome of orders[0]@9 within 10 ms\n  seen meanwhile: nothing')
})

test('a consumer that closes ends the wait, since nothing will come any more', async () => {
  const { consumer: create, runtime, start } = world()
  const consumer = create().on(orders, () => {})
  await start(consumer)
  const waiting = failureOf(waitUntilHandled(consumer, undefined, { runtime }))
  await consumer.close()
  expect((await waiting).message).toContain('0 of 1 records got their outcome when the consumer closed')
})

test('idle is when every record of its partitions has its outcome, also those that are not fetched yet', async () => {
  const { append, consumer: create, runtime, start, cluster } = world({ partitions: 2 })
  const door = gate()
  const consumer = create().on(orders, () => door.opened)
  append(ids(3))
  append(ids(2), { partition: 1 })
  await start(consumer)
  const options = { cluster, groupId: GROUP, runtime, timeoutMs: 100 }
  expect((await failureOf(waitUntilIdle(consumer, options))).message).toMatch(
    /^waitUntilIdle: 5 records have no outcome, the first is orders\[0\]@0, within 100 ms/,
  )
  door.open()
  await waitUntilIdle(consumer, options)
  await runtime.run(consumer.close())
  const next = create().on(orders, () => {})
  await start(next)
  await waitUntilIdle(next, options) // what the group has committed is done, though this member saw none of it
})

test('options that do not fit are refused', async () => {
  const consumer = world().consumer()
  const pathsOf = async (match: unknown, options = {}): Promise<string[]> =>
    (await failureOf(waitUntilHandled(consumer, match as never, options))).problems.map(({ path }) => path)
  expect(await pathsOf(undefined, { count: 0 })).toEqual(['count'])
  expect(await pathsOf([], { count: 2 })).toEqual(['count', 'match'])
  expect(await pathsOf({ topic: 'orders' })).toEqual(['match'])
  expect(await pathsOf(undefined, { timeoutMs: -1 })).toEqual(['timeoutMs'])
})

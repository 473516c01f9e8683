import { expect, test } from 'vitest'
import type { Consumer, SeekTarget } from '../../src/consumer/index.ts'
import type { Problem } from '../../src/errors/index.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }
const at = (offset: bigint, partition = 0): SeekTarget => ({ topic: 'orders', partition, offset })
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    ({ code }: { code: string }) => code,
  )
const seekedOf = (consumer: Consumer): unknown[] => {
  const events: unknown[] = []
  consumer.listen('seeked', (event) => events.push(event))
  return events
}

test('seeking back below the commit handles again from there; it is committed first, and a crash right after does not undo it', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(10))
  const seen: bigint[] = []
  const one = consumer(session).on(orders, (_, { offset }) => void seen.push(offset))
  const seeked = seekedOf(one)
  await start(one)
  await runtime.runUntil(() => committed() === 10n)
  one.listen('seeked', () => cluster.unreachable(true, 'one')) // the process is gone in that moment
  const positions = await runtime.run(one.seek(at(4n)))
  expect(positions).toEqual([at(4n)])
  expect(seeked).toEqual([{ positions: [at(4n)] }])
  expect(committed()).toBe(4n)
  const again: bigint[] = []
  const two = consumer({ ...session, process: 'two' }).on(orders, (_, { offset }) => void again.push(offset))
  await start(two)
  await runtime.runUntil(() => committed() === 10n)
  expect(again).toEqual([4n, 5n, 6n, 7n, 8n, 9n])
  await runtime.run(two.close())
})

test('nothing of the new position is dispatched before it is committed', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(5))
  const seen: bigint[] = []
  const one = consumer().on(orders, (_, { offset }) => void seen.push(offset))
  await start(one)
  await runtime.runUntil(() => committed() === 5n)
  for (let i = 0; i < 5; i++) cluster.failNextCommit(GROUP, 'unavailable')
  const seeking = one.seek(at(2n))
  await runtime.advance(500)
  expect([seen.length, committed()]).toEqual([5, 5n])
  await runtime.run(seeking)
  expect(committed()).toBe(2n)
  await runtime.runUntil(() => seen.length === 8)
  expect(seen.slice(5)).toEqual([2n, 3n, 4n])
  await runtime.run(one.close())
})

test('seeking forward passes over what lies between', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(10))
  const hold = gate()
  const seen: bigint[] = []
  const one = consumer().on(orders, async (_, { offset }) => {
    seen.push(offset)
    if (offset === 1n) await hold.opened
  })
  await start(one)
  await runtime.runUntil(() => seen.length === 2)
  const seeking = one.seek(at(8n))
  await runtime.advance(100)
  hold.open()
  await runtime.run(seeking)
  await runtime.runUntil(() => committed() === 10n)
  expect(seen).toEqual([0n, 1n, 8n, 9n])
  await runtime.run(one.close())
})

test('seeking by time goes on at the first record of then or later, in all owned partitions of a topic or in one', async () => {
  const { consumer, runtime, start, committed, cluster } = world({ partitions: 3 })
  for (const partition of [0, 1, 2]) {
    const value = Buffer.from('{"id":"x"}')
    const record = { topic: 'orders', partition, key: null, value, headers: [] }
    cluster.append([100n, 200n, 300n].map((timestamp) => ({ ...record, timestamp: timestamp + BigInt(partition) })))
  }
  const one = consumer().on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => [0, 1, 2].every((partition) => committed(partition) === 3n))
  const positions = await runtime.run(one.seek({ topic: 'orders', timestamp: new Date(201) }))
  expect(positions).toEqual([at(2n, 0), at(1n, 1), at(1n, 2)])
  expect(await runtime.run(one.seek({ topic: 'orders', partition: 1, timestamp: new Date(5_000) }))).toEqual([
    at(3n, 1),
  ])
  await runtime.run(one.close())
})

test('what is in handlers is drained, and what they finished does not move the new position', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(6))
  const hold = gate()
  const seen: string[] = []
  const one = consumer({ drainTimeoutMs: 5_000 }).on(
    orders,
    async (_, { offset, signal }) => {
      seen.push(`begin ${offset}`)
      if (seen.length <= 6) await hold.opened
      seen.push(`end ${offset} ${signal.aborted}`)
    },
    { ordering: 'none' },
  )
  await start(one)
  await runtime.runUntil(() => seen.length === 6)
  const seeking = one.seek(at(3n))
  await runtime.advance(1_000)
  expect(committed()).toBe(0n)
  hold.open()
  await runtime.run(seeking)
  expect(committed()).toBe(3n)
  expect(seen.slice(6, 12).every((each) => each.startsWith('end') && each.endsWith('false'))).toBe(true)
  await runtime.runUntil(() => committed() === 6n)
  expect(seen.slice(12).filter((each) => each.startsWith('begin'))).toEqual(['begin 3', 'begin 4', 'begin 5'])
  await runtime.run(one.close())
})

test('a handler that outlasts the drain is aborted; its late end is refused, and its key waits for it in the new position too', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  const hold = gate()
  const seen: bigint[] = []
  let aborted = false
  const one = consumer({ drainTimeoutMs: 2_000 }).on(orders, async (_, { offset, signal }) => {
    seen.push(offset)
    if (seen.length > 1) return
    signal.addEventListener('abort', () => (aborted = true))
    await hold.opened
  })
  const refused: unknown[] = []
  one.listen('stale-refused', ({ operation }) => refused.push(operation))
  await start(one)
  await runtime.runUntil(() => seen.length === 1)
  const began = runtime.clock.monotonic()
  await runtime.run(one.seek(at(1n)))
  expect([runtime.clock.monotonic() - began, aborted, committed()]).toEqual([2_000, true, 1n])
  await runtime.advance(5_000)
  expect(seen).toEqual([0n])
  hold.open()
  await runtime.runUntil(() => committed() === 2n)
  expect([seen, refused]).toEqual([[0n, 1n], ['complete']])
  await runtime.run(one.close())
})

test('finished ranges of before do not leak into the new position: not in this process, and not in the next', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append([{ id: 'slow' }], { key: 'slow' })
  append(ids(5), { key: 'fast' })
  const hold = gate()
  let blocked = true
  const seen: bigint[] = []
  const handler = async (_: unknown, { offset }: { offset: bigint }): Promise<void> => {
    seen.push(offset)
    if (offset === 0n && blocked) await hold.opened
  }
  const one = consumer({ ...session, drainTimeoutMs: 100 }).on(orders, handler)
  await start(one)
  await runtime.runUntil(() => cluster.committed(GROUP)[0]?.metadata !== '' && seen.length === 6)
  blocked = false
  await runtime.run(one.seek(at(0n)))
  expect(cluster.committed(GROUP)[0]).toMatchObject({ offset: 0n, metadata: '' })
  hold.open()
  await runtime.runUntil(() => committed() === 6n)
  expect(seen.slice(6).toSorted()).toEqual([0n, 1n, 2n, 3n, 4n, 5n])
  await runtime.run(one.close())
})

test('a partition that this member does not own, or no longer, is refused and nothing has changed', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  for (const partition of [0, 1]) append(ids(3), { partition })
  const one = consumer(session).on(orders, () => {})
  const two = consumer({ ...session, process: 'two' }).on(orders, () => {})
  await start(one)
  await start(two)
  await runtime.runUntil(() => [0, 1].every((partition) => committed(partition) === 3n))
  const theirs = two.health().partitions[0]!.partition
  expect(await codeOf(runtime.run(one.seek(at(0n, theirs))))).toBe('HOLDFAST_EPOCH_LOST')
  expect(await codeOf(runtime.run(one.seek(at(0n, 7))))).toBe('HOLDFAST_EPOCH_LOST')
  await runtime.advance(5_000)
  expect([committed(0), committed(1)]).toEqual([3n, 3n])
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test.each<[string, unknown, readonly string[]]>([
  ['nothing', undefined, ['to']],
  ['a string', 'orders', ['to']],
  ['another topic', { topic: 'stock', partition: 0, offset: 0n }, ['topic']],
  ['a number for an offset', { topic: 'orders', partition: 0, offset: 5 }, ['offset']],
  ['a negative offset', { topic: 'orders', partition: 0, offset: -1n }, ['offset']],
  ['an offset beyond 64 bits', { topic: 'orders', partition: 0, offset: 2n ** 63n }, ['offset']],
  ['an offset without its partition', { topic: 'orders', offset: 1n }, ['partition']],
  ['a partition in words', { topic: 'orders', partition: '0', timestamp: new Date(0) }, ['partition']],
  ['an invalid date', { topic: 'orders', timestamp: new Date('never') }, ['timestamp']],
  ['a number for a date', { topic: 'orders', timestamp: 5 }, ['timestamp']],
  ['several at once', { topic: 1, partition: -1, offset: null }, ['topic', 'partition', 'offset']],
])('a target that is none is refused, with every problem: %s', async (_, target, paths) => {
  const { consumer, runtime, start } = world()
  const one = consumer().on(orders, () => {})
  await start(one)
  const error = await runtime.run(
    one.seek(target as SeekTarget).then(
      () => null,
      (thrown: { code: string; problems: readonly Problem[] }) => thrown,
    ),
  )
  expect(error).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  expect(error!.problems.map(({ path }) => path)).toEqual(paths)
  await runtime.run(one.close())
})

test('before start nothing is owned; after a close it is closed', async () => {
  const { consumer, runtime, start } = world()
  const one = consumer().on(orders, () => {})
  expect(await codeOf(one.seek(at(0n)))).toBe('HOLDFAST_EPOCH_LOST')
  await start(one)
  await runtime.run(one.close())
  expect(await codeOf(one.seek(at(0n)))).toBe('HOLDFAST_CLOSED')
})

test('of two seeks at once both are worked off, and the last one stands', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(10))
  const hold = gate()
  const seen: bigint[] = []
  const one = consumer().on(orders, async (_, { offset }) => {
    seen.push(offset)
    if (seen.length === 1) await hold.opened
  })
  const seeked = seekedOf(one)
  await start(one)
  await runtime.runUntil(() => seen.length === 1)
  const both = Promise.all([one.seek(at(3n)), one.seek(at(7n))])
  await runtime.advance(100)
  hold.open()
  expect(await runtime.run(both)).toEqual([[at(3n)], [at(7n)]])
  expect(seeked).toEqual([{ positions: [at(3n)] }, { positions: [at(7n)] }])
  await runtime.runUntil(() => committed() === 10n)
  expect(seen.slice(-3)).toEqual([7n, 8n, 9n])
  await runtime.run(one.close())
})

test('a rebalance that comes while a seek drains goes first: the seek is refused, what was finished is committed, nothing is left behind', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(3))
  const hold = gate()
  let calls = 0
  const one = consumer({ ...session, process: 'b' }).on(orders, async () => {
    if (++calls === 1) await hold.opened
  })
  await start(one)
  await runtime.runUntil(() => calls === 1)
  const seeking = codeOf(one.seek(at(0n)))
  await runtime.advance(10)
  const seen: bigint[] = []
  const two = consumer({ ...session, process: 'B-comes-first' }).on(orders, (_, { offset }) => void seen.push(offset))
  const joining = start(two)
  await runtime.advance(2_000)
  hold.open()
  expect(await runtime.run(seeking)).toBe('HOLDFAST_EPOCH_LOST')
  await joining
  await runtime.runUntil(() => committed() === 3n)
  expect(seen).toEqual([1n, 2n])
  expect(one.health()).toMatchObject({ status: 'healthy', partitions: [] })
  expect(cluster.members(GROUP)).toHaveLength(2)
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test('a seek that comes while a rebalance drains is refused, and does not disturb it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const hold = gate()
  let calls = 0
  const one = consumer({ ...session, process: 'b' }).on(orders, async () => {
    if (++calls === 1) await hold.opened
  })
  await start(one)
  await runtime.runUntil(() => calls === 1)
  const two = consumer({ ...session, process: 'B-comes-first' }).on(orders, () => {})
  const joining = start(two)
  await runtime.advance(2_000)
  expect(await codeOf(runtime.run(one.seek(at(0n))))).toBe('HOLDFAST_EPOCH_LOST')
  hold.open()
  await joining
  await runtime.runUntil(() => committed() === 3n)
  expect(calls).toBe(1)
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test('when something fails after the drain, each partition goes on where it was, and keeps what it has finished', async () => {
  const { consumer, append, runtime, start, committed, points } = world({ partitions: 2 })
  append([{ id: 'slow' }], { key: 'slow' })
  append(ids(3), { key: 'fast' })
  append(ids(3), { partition: 1 })
  const seen: string[] = []
  const hold = gate()
  const one = consumer({ drainTimeoutMs: 1_000 }).on(orders, async (_, { partition, offset }) => {
    seen.push(`${partition}@${offset}`)
    if (seen.filter((each) => each === '0@0').length === 1 && offset === 0n && partition === 0) await hold.opened
  })
  await start(one)
  await runtime.runUntil(() => seen.length === 7)
  points.throwAt('seek:drained')
  await expect(runtime.run(one.seek({ topic: 'orders', timestamp: new Date(0) }))).rejects.toThrow('seek:drained')
  hold.open()
  append(ids(1), { partition: 1 })
  append(ids(1))
  await runtime.runUntil(() => committed(0) === 5n && committed(1) === 4n)
  expect(seen.slice(7).toSorted()).toEqual(['0@0', '0@4', '1@3'])
  await runtime.run(one.close())
})

test('a partition that goes before a seek forward is committed passes over nothing: the seek has failed', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(5))
  const hold = gate()
  const seen: bigint[] = []
  const one = consumer(session).on(orders, async (_, { offset }) => {
    seen.push(offset)
    if (offset === 2n) await hold.opened
  })
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  hold.open()
  cluster.unreachable(true, 'one')
  const seeking = codeOf(one.seek(at(5n)))
  await runtime.advance(12_000) // the session ends
  cluster.unreachable(false, 'one')
  expect(await runtime.run(seeking)).toBe('HOLDFAST_EPOCH_LOST')
  await runtime.runUntil(() => committed() === 5n)
  expect(new Set(seen)).toEqual(new Set([0n, 1n, 2n, 3n, 4n]))
  await runtime.run(one.close())
})

test('a seek beyond the end is out of range: the partition says so, and another seek mends it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const one = consumer().on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  await runtime.run(one.seek(at(50n)))
  await runtime.advance(1_000)
  expect(one.health().reasons).toEqual([expect.stringContaining('offset 50 is not on the log')])
  await runtime.run(one.seek(at(1n)))
  await runtime.runUntil(() => committed() === 3n)
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('a paused topic stays paused after a seek', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  let calls = 0
  const one = consumer().on(orders, () => void calls++)
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  one.pause()
  await runtime.run(one.seek(at(0n)))
  await runtime.advance(5_000)
  expect([calls, committed()]).toEqual([3, 0n])
  one.resume()
  await runtime.runUntil(() => committed() === 3n)
  expect(calls).toBe(6)
  await runtime.run(one.close())
})

test('a seek inside a handler that does not await it drains it and goes on there', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(5))
  const seen: bigint[] = []
  const one = consumer().on(orders, (_, { offset }) => {
    seen.push(offset)
    if (seen.length === 2) void one.seek(at(4n))
  })
  await start(one)
  await runtime.runUntil(() => committed() === 5n)
  expect(seen.slice(0, 2)).toEqual([0n, 1n])
  expect(seen.at(-1)).toBe(4n)
  await runtime.run(one.close())
})

test('a close while a seek waits for its commit ends both', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(3))
  const one = consumer(session).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  cluster.unreachable(true, 'one')
  const seeking = codeOf(one.seek(at(0n)))
  await runtime.advance(1_000)
  await runtime.run(one.close())
  expect(await runtime.run(seeking)).toBe('HOLDFAST_EPOCH_LOST')
})

test('a message that fails for good while a seek drains does not hold it up, and its key goes on in the new position', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append([{ id: 'a' }], { key: 'a' })
  append([{ id: 'b' }], { key: 'b' })
  const hold = gate()
  const calls: string[] = []
  const one = consumer({ drainTimeoutMs: 10_000 }).on(
    orders,
    async ({ value }) => {
      calls.push(value.id)
      if (value.id !== 'a' || calls.length > 2) return
      await hold.opened
      throw new Error('no')
    },
    { deadLetter: false, onExhausted: 'pause', retry: { maxAttempts: 1 } },
  )
  await start(one)
  await runtime.runUntil(() => calls.length === 2)
  const from = runtime.clock.monotonic()
  const seeking = one.seek({ topic: 'orders', partition: 0, offset: 0n })
  await runtime.advance(100)
  hold.open()
  await runtime.run(seeking)
  expect(runtime.clock.monotonic() - from).toBeLessThan(1_000)
  await runtime.runUntil(() => committed() === 2n)
  expect([calls, one.health().status]).toEqual([['a', 'b', 'a', 'b'], 'healthy'])
  await runtime.run(one.close())
})

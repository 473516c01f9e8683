import { expect, test, vi } from 'vitest'
import { setImmediate as immediate } from 'node:timers/promises'
import { z } from 'zod'
import { noFailpoint } from '../../src/clock/index.ts'
import type { Message, MessageContext } from '../../src/consumer/index.ts'
import { defineTopic } from '../../src/topic/index.ts'
import type { World } from './world.ts'
import { gate, ids, orders, world } from './world.ts'

const keyless = defineTopic({ name: 'orders', schema: z.object({ id: z.string() }), key: 'none' })

/** A handler that holds each message until the test lets it go. */
function holding() {
  const begun: string[] = []
  const running = new Map<string, () => void>()
  const handler = async ({ value }: Message<{ id: string }>): Promise<void> => {
    begun.push(value.id)
    await new Promise<void>((resolve) => running.set(value.id, resolve))
  }
  const end = (id: string): void => {
    running.get(id)!()
    running.delete(id)
  }
  return { begun, running, handler, end }
}

/** Appends messages in order: `a1` is of key `a`. */
function appendNamed({ append }: Pick<World, 'append'>, names: string, options: { partition?: number } = {}): void {
  for (const id of names.split(' ')) append([{ id }], { ...options, key: id.replace(/\d+$/, '') })
}

test('messages of one key follow each other in the order of their offsets, those of different keys run side by side', async () => {
  const all = world()
  const { begun, running, handler, end } = holding()
  appendNamed(all, 'a1 a2 b1 b2 c1')
  const one = all.consumer().on(orders, handler)
  await all.start(one)
  await all.runtime.advance(1_000)
  expect([...running.keys()]).toEqual(['a1', 'b1', 'c1'])
  end('b1')
  await all.runtime.advance(0)
  expect([...running.keys()]).toEqual(['a1', 'c1', 'b2'])
  for (const id of ['a1', 'c1', 'b2']) end(id)
  await all.runtime.advance(0)
  expect(begun).toEqual(['a1', 'b1', 'c1', 'b2', 'a2'])
  end('a2')
  await all.runtime.run(one.close())
  expect(all.committed()).toBe(5n)
})

test.each([
  ['partition', ['a1']],
  ['none', ['a1', 'a2', 'b1']],
] as const)('with the order of "%s", %j run side by side', async (ordering, expected) => {
  const all = world()
  const { begun, running, handler, end } = holding()
  appendNamed(all, 'a1 a2 b1')
  const one = all.consumer().on(orders, handler, { ordering })
  await all.start(one)
  await all.runtime.advance(1_000)
  expect([...running.keys()]).toEqual(expected)
  while (running.size > 0) {
    for (const id of running.keys()) end(id)
    await all.runtime.advance(0)
  }
  expect(begun).toEqual(['a1', 'a2', 'b1'])
  await all.runtime.run(one.close())
  expect(all.committed()).toBe(3n)
})

test('a topic that is declared without a key has no order by default: its author has said that it does not matter', async () => {
  const all = world()
  const { running, handler, end } = holding()
  all.append(ids(3), { key: null })
  const one = all.consumer().on(keyless, handler)
  await all.start(one)
  await all.runtime.advance(1_000)
  expect(running.size).toBe(3)
  for (const id of running.keys()) end(id)
  await all.runtime.run(one.close())
})

test('messages without a key are one lane, since nobody knows what belongs together; the empty key is another', async () => {
  const all = world()
  const { running, handler, end } = holding()
  all.append([{ id: 'null-1' }, { id: 'null-2' }], { key: null })
  all.append([{ id: 'empty-1' }, { id: 'empty-2' }], { key: '' })
  const one = all.consumer().on(orders, handler)
  await all.start(one)
  await all.runtime.advance(1_000)
  expect([...running.keys()]).toEqual(['null-1', 'empty-1'])
  end('null-1')
  await all.runtime.advance(0)
  expect([...running.keys()]).toEqual(['empty-1', 'null-2'])
  end('empty-1')
  end('null-2')
  await all.runtime.advance(0)
  end('empty-2')
  await all.runtime.run(one.close())
})

test('keys are equal when their bytes are, whatever array a driver hands them over in', async () => {
  const all = world()
  const { running, handler, end } = holding()
  const bytes = [0x00, 0xff, 0xc3, 0x28] // no UTF-8: as text, it would equal others
  const within = new Uint8Array([9, ...bytes, 9])
  const keys = [
    Uint8Array.from(bytes),
    Buffer.from(bytes),
    within.subarray(1, 5),
    Uint8Array.from([0x00, 0xfe, 0xc3, 0x28]),
  ]
  all.cluster.append(
    keys.map((key, i) => ({
      topic: 'orders',
      partition: 0,
      key,
      value: Buffer.from(JSON.stringify({ id: `m${i}` })),
      headers: [],
      timestamp: 1n,
    })),
  )
  const one = all.consumer().on(orders, handler)
  await all.start(one)
  await all.runtime.advance(1_000)
  expect([...running.keys()]).toEqual(['m0', 'm3'])
  end('m3')
  for (const id of ['m0', 'm1', 'm2']) {
    end(id)
    await all.runtime.advance(0)
  }
  await all.runtime.run(one.close())
  expect(all.committed()).toBe(4n)
})

test('the same key in two partitions is two lanes: the order of a key is that of its partition', async () => {
  const all = world({ partitions: 2 })
  const { running, handler, end } = holding()
  appendNamed(all, 'a1', { partition: 0 })
  appendNamed(all, 'a2', { partition: 1 })
  const one = all.consumer().on(orders, handler)
  await all.start(one)
  await all.runtime.advance(1_000)
  expect(running.size).toBe(2)
  for (const id of running.keys()) end(id)
  await all.runtime.run(one.close())
})

test('a failing key blocks its lane alone: the others are handled, and nothing is committed past it', async () => {
  const all = world()
  appendNamed(all, 'bad1 a1 bad2 b1 a2')
  const handled: string[] = []
  let mended = false
  const one = all.consumer().on(
    orders,
    ({ value }) => {
      if (value.id === 'bad1' && !mended) throw new Error('no')
      handled.push(value.id)
    },
    { retry: { maxAttempts: 100, initialDelayMs: 60_000, maxDelayMs: 60_000 } },
  )
  await all.start(one)
  await all.runtime.advance(1_000)
  expect(handled).toEqual(['a1', 'b1', 'a2'])
  expect(all.committed()).toBe(0n)
  expect(one.health()).toMatchObject({ status: 'healthy', partitions: [{ buffered: 2, underWay: 1 }] })
  mended = true
  await all.runtime.runUntil(() => all.committed() === 5n)
  expect(handled).toEqual(['a1', 'b1', 'a2', 'bad1', 'bad2'])
  await all.runtime.run(one.close())
})

test('the attempts of a message come before the next message of its key, however many there are', async () => {
  const all = world()
  appendNamed(all, 'a1 a2 b1 a3 b2')
  const calls: string[] = []
  const one = all.consumer().on(
    orders,
    ({ value }, { attempt }) => {
      calls.push(`${value.id}#${attempt}`)
      if (attempt < 3) throw new Error('not yet')
    },
    { retry: { maxAttempts: 3, initialDelayMs: 100 } },
  )
  await all.start(one)
  await all.runtime.runUntil(() => all.committed() === 5n)
  const of = (key: string): readonly string[] => calls.filter((call) => call.startsWith(key))
  expect(of('a')).toEqual(['a1#1', 'a1#2', 'a1#3', 'a2#1', 'a2#2', 'a2#3', 'a3#1', 'a3#2', 'a3#3'])
  expect(of('b')).toEqual(['b1#1', 'b1#2', 'b1#3', 'b2#1', 'b2#2', 'b2#3'])
  await all.runtime.run(one.close())
})

test.each([{ concurrency: 1 }, { concurrency: 5, topicConcurrency: 1 }])(
  'a key that waits a minute for its next attempt holds no place (%j): all others go on',
  async ({ concurrency, topicConcurrency }) => {
    const all = world()
    appendNamed(all, 'bad1 a1 b1 a2 c1')
    const handled: string[] = []
    let attempts = 0
    const one = all.consumer({ concurrency }).on(
      orders,
      async ({ value }) => {
        await all.runtime.clock.sleep(10)
        if (value.id === 'bad1' && ++attempts === 1) throw new Error('no')
        handled.push(value.id)
      },
      {
        retry: { initialDelayMs: 60_000, maxDelayMs: 60_000, jitter: 0 },
        ...(topicConcurrency && { concurrency: topicConcurrency }),
      },
    )
    await all.start(one)
    await all.runtime.advance(1_000)
    expect(handled).toEqual(['a1', 'b1', 'a2', 'c1'])
    await all.runtime.runUntil(() => all.committed() === 5n)
    expect(handled.at(-1)).toBe('bad1')
    await all.runtime.run(one.close())
  },
)

test('no more handlers run than the consumer and the topic allow, with many keys and failures among them', async () => {
  const all = world({ partitions: 3 })
  for (const partition of [0, 1, 2]) {
    for (let i = 0; i < 30; i++) all.append([{ id: `${partition}-${i}`, n: i }], { partition, key: `k${i % 7}` })
  }
  let running = 0
  let most = 0
  const one = all.consumer({ concurrency: 8 }).on(
    orders,
    async ({ value }, { attempt }) => {
      most = Math.max(most, ++running)
      await all.runtime.clock.sleep(10 + value.n)
      running--
      if (value.n % 3 === 0 && attempt === 1) throw new Error('once')
    },
    { concurrency: 5, retry: { initialDelayMs: 20 } },
  )
  await all.start(one)
  await all.runtime.runUntil(() => [0, 1, 2].every((partition) => all.committed(partition) === 30n))
  expect(most).toBe(5)
  await all.runtime.run(one.close())
})

test('an outage that a handler reports pauses its partition: nothing further of it begins, other partitions go on', async () => {
  const all = world({ partitions: 2 })
  appendNamed(all, 'a1 b1 c1', { partition: 0 })
  appendNamed(all, 'd1 e1', { partition: 1 })
  let isOut = true
  const handled: string[] = []
  const calls: string[] = []
  const hold = gate()
  const handler = async ({ value }: Message<{ id: string }>, { partition }: MessageContext): Promise<void> => {
    calls.push(value.id)
    if (value.id === 'd1') await hold.opened
    if (partition === 0 && isOut) throw Object.assign(new Error('down'), { code: 'ECONNREFUSED' })
    handled.push(value.id)
  }
  const one = all
    .consumer({ concurrency: 2 })
    .on(orders, handler, { errors: [{ when: { code: 'ECONNREFUSED' }, verdict: 'pause' }] })
  await all.start(one)
  await all.runtime.advance(20_000)
  expect(new Set(calls)).toEqual(new Set(['a1', 'b1', 'd1', 'e1'])) // two had begun when the first of them failed
  expect(handled).toEqual(['e1'])
  expect(one.health().reasons).toEqual(['orders[0]: a dependency of the handler is out (ECONNREFUSED)'])
  isOut = false
  hold.open()
  await all.runtime.runUntil(() => all.committed(0) === 3n && all.committed(1) === 2n)
  expect(handled.slice(1).toSorted()).toEqual(['a1', 'b1', 'c1', 'd1'])
  await all.runtime.run(one.close())
})

test.each([true, false])(
  'a rule that stops the consumer lets nothing begin behind it, nor its own message again (failpoints: %s)',
  async (stopsAtFailpoints) => {
    const all = world()
    const runtime = stopsAtFailpoints ? all.runtime : { ...all.runtime, failpoint: noFailpoint }
    appendNamed(all, 'bad1 a1 bad2 b1 c1')
    const calls: string[] = []
    const one = all.consumer({ concurrency: 1, runtime }).on(
      orders,
      ({ value }) => {
        calls.push(value.id)
        throw new TypeError('a bug')
      },
      { errors: [{ when: TypeError, verdict: 'stop' }] },
    )
    const closed = one.closed.catch((error: unknown) => error)
    await all.start(one).catch(() => {})
    await all.runtime.run(closed)
    expect(calls).toEqual(['bad1'])
    expect(all.committed() ?? 0n).toBe(0n)
  },
)

test('a busy key does not keep a quiet one waiting for longer than what was there before it', async () => {
  const all = world()
  const handled: string[] = []
  let produced = 0
  const feed = (): void => {
    if (produced < 500) all.append([{ id: `hot${produced++}` }], { key: 'hot' })
  }
  for (let i = 0; i < 20; i++) feed()
  all.append([{ id: 'quiet' }], { key: 'quiet' })
  const one = all.consumer({ concurrency: 1 }).on(orders, async ({ value }) => {
    feed() // as many as are worked off
    feed()
    await all.runtime.clock.sleep(1)
    handled.push(value.id)
  })
  await all.start(one)
  await all.runtime.runUntil(() => handled.length === 501)
  expect(handled.indexOf('quiet')).toBeLessThanOrEqual(20)
  expect(handled.filter((id) => id !== 'quiet')).toEqual(Array.from({ length: 500 }, (_, i) => `hot${i}`))
  await all.runtime.run(one.close())
})

test.each([1, 64])(
  'the event loop has its turn while thousands of messages are handled at once (concurrency %i)',
  async (concurrency) => {
    const all = world()
    for (let i = 0; i < 3_000; i++) all.append([{ id: `${i}` }], { key: `k${i % 50}` })
    let handled = 0
    const runtime = { ...all.runtime, failpoint: noFailpoint }
    const one = all.consumer({ concurrency, runtime }).on(orders, () => void handled++)
    await all.start(one)
    let turns = 0
    for (; handled < 3_000; turns++) await immediate()
    expect(turns).toBeGreaterThan(3)
    await all.runtime.run(one.close())
    expect(all.committed()).toBe(3_000n)
  },
)

test('thousands of keys that wait for their next attempt do not search each other: an outage would take all of the processor', async () => {
  const all = world()
  for (let i = 0; i < 300; i++) all.append([{ id: `${i}` }], { key: `k${i}` })
  const listening = new Map<EventTarget, number>()
  let most = 0
  const original = EventTarget.prototype.addEventListener
  const add = vi.spyOn(EventTarget.prototype, 'addEventListener').mockImplementation(function (
    this: EventTarget,
    ...args
  ) {
    listening.set(this, (listening.get(this) ?? 0) + 1)
    most = Math.max(most, listening.get(this)!)
    original.apply(this, args)
  })
  try {
    const one = all.consumer({ concurrency: 5 }).on(
      orders,
      (_, { attempt }) => {
        if (attempt < 3) throw new Error('no')
      },
      { retry: { initialDelayMs: 1_000, factor: 1, jitter: 0 } },
    )
    await all.start(one)
    await all.runtime.runUntil(() => all.committed() === 300n)
    await all.runtime.run(one.close())
  } finally {
    add.mockRestore()
  }
  expect(most).toBeLessThan(10)
})

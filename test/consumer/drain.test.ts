import { expect, test } from 'vitest'
import { noFailpoint } from '../../src/clock/index.ts'
import type { Message, MessageContext } from '../../src/consumer/index.ts'
import type { World } from './world.ts'
import { gate, GROUP, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 }

/** One message of each of these keys. */
function appendKeys({ append }: Pick<World, 'append'>, keys: string): void {
  for (const key of keys) append([{ id: `${key}1` }], { key })
}

test('a close waits for all handlers under way, begins nothing meanwhile, and commits what they have finished', async () => {
  const all = world()
  appendKeys(all, 'abcdaabb')
  const begun: string[] = []
  const ends = { a: 3_000, b: 50, c: 9_000, d: 200 } as Readonly<Record<string, number>>
  const aborted: boolean[] = []
  const one = all.consumer({ drainTimeoutMs: 10_000 }).on(orders, async (_, { key, signal }) => {
    const name = Buffer.from(key!).toString()
    begun.push(name)
    await all.runtime.clock.sleep(ends[name]!)
    aborted.push(signal.aborted)
  })
  await all.start(one)
  await all.runtime.runUntil(() => begun.length === 4)
  const before = all.runtime.clock.monotonic()
  await all.runtime.run(one.close())
  expect(all.runtime.clock.monotonic() - before).toBe(9_000)
  expect(begun).toEqual(['a', 'b', 'c', 'd'])
  expect(aborted).toEqual([false, false, false, false])
  expect(all.committed()).toBe(4n)
})

test('what waits between two attempts, or for a place, is nothing to wait for: it ends at once and its record stays', async () => {
  const all = world()
  appendKeys(all, 'xab')
  const hang = gate()
  const calls: string[] = []
  const one = all.consumer({ concurrency: 1 }).on(
    orders,
    async ({ value }) => {
      calls.push(value.id)
      if (value.id === 'x1') throw new Error('no')
      await hang.opened
    },
    { retry: { initialDelayMs: 1_000, maxDelayMs: 1_000 } },
  )
  await all.start(one)
  await all.runtime.advance(2_000) // x1 waits for the place that a1 has, b1 has not begun
  expect(calls).toEqual(['x1', 'a1'])
  const closing = one.close()
  hang.open()
  const before = all.runtime.clock.monotonic()
  await all.runtime.run(closing)
  expect(all.runtime.clock.monotonic()).toBe(before)
  expect(calls).toEqual(['x1', 'a1'])
  expect(all.committed()).toBe(0n)
  const { metadata } = all.cluster.committed(GROUP)[0]!
  expect(metadata).not.toBe('') // a1 is finished above it
})

test('handlers that do not end in time are aborted, and only then; what has ended by then is committed', async () => {
  const all = world()
  appendKeys(all, 'abc')
  const aborted: string[] = []
  const one = all.consumer({ drainTimeoutMs: 2_000 }).on(orders, async ({ value }, { signal }) => {
    if (value.id === 'a1') return all.runtime.clock.sleep(1_000)
    await new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => {
        aborted.push(value.id)
        resolve()
      }),
    )
    throw new Error('interrupted')
  })
  await all.start(one)
  await all.runtime.advance(0)
  const closing = all.runtime.run(one.close())
  await closing
  expect(aborted).toEqual(['b1', 'c1'])
  expect(all.committed()).toBe(1n)
  expect(all.deadLetters()).toEqual([])
})

test.each(['key', 'partition', 'none'] as const)(
  'a handler that an epoch left behind closes its own lane in the next one, and no other (order: %s)',
  async (ordering) => {
    const all = world()
    appendKeys(all, 'aba')
    const hang = gate()
    const calls: string[] = []
    const running = new Set<string>()
    let twice = 0
    const one = all.consumer(session).on(
      orders,
      async (_: Message<unknown>, { key, offset }: MessageContext) => {
        const name = `${Buffer.from(key!).toString()}@${offset}`
        if (running.has(name)) twice++
        running.add(name)
        calls.push(name)
        if (calls.length === 1) await hang.opened
        running.delete(name)
      },
      { ordering },
    )
    await all.start(one)
    await all.runtime.runUntil(() => calls.length === { key: 2, partition: 1, none: 3 }[ordering])
    calls.splice(1)
    all.cluster.expireSession(GROUP)
    await all.runtime.advance(60_000)
    expect(calls.slice(1)).toEqual({ key: ['b@1'], partition: [], none: ['b@1', 'a@2'] }[ordering])
    expect(all.committed()).toBe(0n)
    hang.open()
    await all.runtime.runUntil(() => all.committed() === 3n)
    expect(twice).toBe(0)
    expect(calls.toSorted()).toEqual(['a@0', 'a@0', 'a@2', 'b@1'].toSorted())
    await all.runtime.run(one.close())
  },
)

test('a handler that outlives several assignments keeps its key closed through all of them', async () => {
  const all = world()
  appendKeys(all, 'ab')
  const hang = gate()
  const calls: string[] = []
  const one = all.consumer(session).on(orders, async ({ value }) => {
    calls.push(value.id)
    if (calls.length === 1) await hang.opened
  })
  await all.start(one)
  await all.runtime.runUntil(() => calls.length === 2)
  for (let round = 0; round < 3; round++) {
    all.cluster.expireSession(GROUP)
    await all.runtime.advance(30_000)
  }
  expect(calls.filter((id) => id === 'a1')).toHaveLength(1)
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 2n)
  expect(calls.filter((id) => id === 'a1')).toHaveLength(2)
  expect(one.health()).toMatchObject({ status: 'healthy' })
  await all.runtime.run(one.close())
})

test('a consumer that crashes and is started again keeps the key of a handler that still runs closed', async () => {
  const all = world()
  appendKeys(all, 'ab')
  const hang = gate()
  const calls: string[] = []
  const one = all.consumer(session).on(orders, async ({ value }) => {
    calls.push(value.id)
    if (calls.length === 1) await hang.opened
  })
  await all.start(one)
  await all.runtime.runUntil(() => calls.length === 2)
  all.cluster.crashConsumer(GROUP)
  await all.runtime.advance(60_000)
  expect(calls.filter((id) => id === 'a1')).toHaveLength(1)
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 2n)
  await all.runtime.run(one.close())
})

test('a rebalance begins nothing while it drains, repeats nothing that ended in time, and the others’ keys go to their new owner', async () => {
  const all = world({ partitions: 2 })
  for (const partition of [0, 1]) {
    for (let i = 0; i < 20; i++) all.append([{ id: `${partition}-${i}` }], { partition, key: `k${i % 5}` })
  }
  const effects: string[] = []
  let draining = false
  const begunInDrain: string[] = []
  const handler = async ({ value }: Message<{ id: string }>): Promise<void> => {
    if (draining) begunInDrain.push(value.id)
    await all.runtime.clock.sleep(100)
    effects.push(value.id)
  }
  const drained = all.points
  const one = all.consumer(session).on(orders, handler)
  await all.start(one)
  await all.runtime.runUntil(() => effects.length >= 5)
  const hold = drained.holdAt('revoke:drained')
  const two = all.consumer({ ...session, process: 'two' }).on(orders, handler)
  const starting = two.start()
  await all.runtime.runUntil(() => all.points.reached.includes('revoke:begin'))
  draining = true
  await all.runtime.run(hold.reached)
  await all.runtime.advance(5_000)
  draining = false
  hold.release()
  await all.runtime.run(starting)
  await all.runtime.runUntil(() => [0, 1].every((partition) => all.committed(partition) === 20n))
  expect(begunInDrain).toEqual([])
  expect(effects).toHaveLength(40)
  expect(new Set(effects).size).toBe(40)
  await all.runtime.run(Promise.all([one.close(), two.close()]))
})

test('a handler that itself ends its assignment before it waits keeps its key closed as any other', async () => {
  const all = world()
  appendKeys(all, 'ab')
  const hang = gate()
  const calls: string[] = []
  const runtime = { ...all.runtime, failpoint: noFailpoint } // the handler is called as soon as its record is dispatched
  const one = all.consumer({ ...session, runtime }).on(orders, async ({ value }) => {
    calls.push(value.id)
    if (calls.length > 1) return
    all.cluster.crashConsumer(GROUP)
    await hang.opened
  })
  await all.start(one)
  await all.runtime.advance(60_000)
  expect(calls).toEqual(['a1', 'b1'])
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 2n)
  expect(calls).toEqual(['a1', 'b1', 'a1'])
  await all.runtime.run(one.close())
})

test('a message that fails for good while its partition drains waits for nobody: the drain ends with its handler', async () => {
  const all = world()
  appendKeys(all, 'a')
  const hold = gate()
  let calls = 0
  const one = all.consumer({ drainTimeoutMs: 10_000 }).on(
    orders,
    async () => {
      calls++
      await hold.opened
      throw new Error('no')
    },
    { deadLetter: false, onExhausted: 'pause', retry: { maxAttempts: 1 } },
  )
  await all.start(one)
  await all.runtime.runUntil(() => calls === 1)
  const from = all.runtime.clock.monotonic()
  const closing = one.close()
  await all.runtime.advance(100)
  hold.open()
  await all.runtime.run(closing)
  expect(all.runtime.clock.monotonic() - from).toBeLessThan(1_000)
})

test('a consumer that closes takes no partition any more: a session that is lost meanwhile brings nothing new into handlers', async () => {
  const all = world()
  appendKeys(all, 'a')
  const hang = gate()
  const calls: string[] = []
  const one = all.consumer({ ...session, drainTimeoutMs: 20_000 }).on(orders, async ({ value }) => {
    calls.push(value.id)
    await hang.opened
  })
  await all.start(one)
  await all.runtime.runUntil(() => calls.length === 1)
  const closing = one.close()
  await all.runtime.advance(10)
  appendKeys(all, 'b')
  all.cluster.expireSession(GROUP)
  await all.runtime.advance(15_000)
  await all.runtime.run(closing)
  expect([calls, one.health().state]).toEqual([['a1'], 'closed'])
  hang.open()
})

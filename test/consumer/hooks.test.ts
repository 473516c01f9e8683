import { expect, test } from 'vitest'
import type { ConsumerOptions, RebalanceContext } from '../../src/consumer/index.ts'
import type { Position } from '../../src/record/index.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }
const place = ({ partition, offset }: Position): string => `${partition}@${offset}`
type Hooks = Required<Pick<ConsumerOptions, 'onAssigned' | 'onRevoked' | 'onLost'>>

/** Hooks that write down when they are called and have ended. */
const written = (calls: string[], name = ''): Hooks => ({
  onAssigned: async (partitions) => {
    calls.push(`${name}assigned ${partitions.map(place).join()}`)
    await Promise.resolve()
    calls.push(`${name}loaded`)
  },
  onRevoked: async (partitions) => {
    calls.push(`${name}revoked ${partitions.map(place).join()}`)
    await Promise.resolve()
    calls.push(`${name}stored`)
  },
  onLost: (partitions) => void calls.push(`${name}lost ${partitions.map(({ partition }) => partition).join()}`),
})

test('onAssigned is awaited before anything is dispatched, and is told where each partition starts', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world({ partitions: 2 })
  for (const partition of [0, 1]) append(ids(5), { partition })
  cluster.setCommitted(GROUP, { topic: 'orders', partition: 0, offset: 2n })
  const loaded = gate()
  let told: readonly Position[] = []
  let calls = 0
  const one = consumer({
    onAssigned: (partitions) => {
      told = partitions
      return loaded.opened
    },
  }).on(orders, () => void calls++)
  await start(one)
  await runtime.advance(20_000)
  expect(told).toEqual([
    { topic: 'orders', partition: 0, offset: 2n },
    { topic: 'orders', partition: 1, offset: 0n },
  ])
  expect([calls, committed(1)]).toEqual([0, 0n])
  expect(one.health()).toMatchObject({
    status: 'unhealthy',
    reasons: ['orders[0]: onAssigned has not ended', 'orders[1]: onAssigned has not ended'],
    partitions: [{ pausedFor: 'onAssigned has not ended' }, { pausedFor: 'onAssigned has not ended' }],
  })
  loaded.open()
  await runtime.runUntil(() => committed(0) === 5n && committed(1) === 5n)
  expect([calls, one.health().status]).toEqual([8, 'healthy'])
  await runtime.run(one.close())
})

test('without the hook a consumer is healthy as soon as it has started', async () => {
  const { consumer, runtime } = world()
  const one = consumer().on(orders, () => {})
  const started = one.start().then(() => one.health().status)
  expect(await runtime.run(started)).toBe('healthy')
  await runtime.run(one.close())
})

test('an onAssigned that fails is called again until it succeeds; its partitions wait, and health says why', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append(ids(2))
  let tries = 0
  const one = consumer({
    onAssigned: () => {
      if (++tries <= 3) throw Object.assign(new Error('secret'), { code: 'ECONNREFUSED' })
    },
  }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => tries === 2)
  expect(one.health().reasons).toEqual(['orders[0]: onAssigned fails (ECONNREFUSED); it is called again'])
  expect(committed()).toBe(0n)
  await runtime.runUntil(() => committed() === 2n)
  expect([tries, one.health().status]).toEqual([4, 'healthy'])
  expect(logged.filter(({ level, fields }) => level === 'error' && 'hook' in fields)).toHaveLength(3)
  await runtime.run(one.close())
})

test('onRevoked comes after the drain and its commit, and before the partitions go: the next owner has nothing before it ends', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(4))
  const calls: string[] = []
  const hold = gate()
  const stored = gate()
  const one = consumer({
    ...session,
    process: 'b',
    onRevoked: async (partitions) => {
      calls.push(`revoked ${partitions.map(place).join()}, committed ${committed()}`)
      await stored.opened
      calls.push('stored')
    },
  }).on(orders, async ({ value }) => {
    calls.push(`one ${value.id}`)
    if (value.id === 'o-2') await hold.opened
    calls.push(`one has ${value.id}`)
  })
  await start(one)
  await runtime.runUntil(() => calls.at(-1) === 'one o-2')
  const two = consumer({ ...session, process: 'B-comes-first' }).on(
    orders,
    ({ value }) => void calls.push(`two ${value.id}`),
  )
  const joining = start(two)
  await runtime.advance(2_000)
  hold.open()
  await runtime.advance(2_000)
  expect(calls.slice(-2)).toEqual(['one has o-2', 'revoked 0@2, committed 2'])
  stored.open()
  await joining
  await runtime.runUntil(() => committed() === 4n)
  expect(calls.slice(-3)).toEqual(['stored', 'two o-3', 'two o-4'])
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test('an onRevoked that takes longer than the group can wait is told by its signal; the partitions go without it', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append(ids(2))
  let signal: AbortSignal | undefined
  const one = consumer({
    ...session,
    rebalanceTimeoutMs: 20_000, // 5,000 to drain, 1,000 for a heartbeat, 500 for a fetch, 5,000 for the commit: 8,500 are left
    onRevoked: (_, context) => {
      signal = context.signal
      return new Promise(() => {})
    },
  }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  const began = runtime.clock.monotonic()
  await runtime.run(one.close())
  expect([runtime.clock.monotonic() - began, signal!.aborted]).toEqual([8_500, true])
  expect(logged.filter(({ level, fields }) => level === 'error' && 'budgetMs' in fields)).toHaveLength(1)
})

test('an onRevoked that fails is logged, and the partitions go', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append(ids(1))
  const one = consumer({ onRevoked: () => Promise.reject(new Error('no')) }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  await runtime.run(one.close())
  expect(logged.filter(({ message }) => message === 'a hook failed').map(({ fields }) => fields)).toMatchObject([
    { hook: 'onRevoked', partitions: ['orders[0]'] },
  ])
})

test('a lost membership calls onLost, not onRevoked, and the next onAssigned waits for it', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(1))
  const calls: string[] = []
  const dropped = gate()
  const one = consumer({
    ...session,
    ...written(calls),
    onLost: async (partitions) => {
      calls.push(`lost ${partitions.map(({ partition }) => partition).join()}`)
      await dropped.opened
      calls.push('dropped')
    },
  }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  cluster.expireSession(GROUP)
  append(ids(1))
  await runtime.advance(10_000)
  expect(calls).toEqual(['assigned 0@0', 'loaded', 'lost 0'])
  expect(committed()).toBe(1n)
  dropped.open()
  await runtime.runUntil(() => committed() === 2n)
  expect(calls.slice(3)).toEqual(['dropped', 'assigned 0@1', 'loaded'])
  await runtime.run(one.close())
})

test('a consumer that crashed has lost its partitions: onLost is called', async () => {
  const { consumer, runtime, start, cluster } = world()
  const calls: string[] = []
  const one = consumer({ ...session, ...written(calls) }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => calls.includes('loaded'))
  cluster.crashConsumer(GROUP)
  await runtime.runUntil(() => calls.filter((call) => call === 'loaded').length === 2)
  expect(calls).toEqual(['assigned 0@0', 'loaded', 'lost 0', 'assigned 0@0', 'loaded'])
  await runtime.run(one.close())
})

test('through rebalances the hooks of a member come in turn, each to its end, and a close calls onRevoked', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  for (const partition of [0, 1]) append(ids(3), { partition })
  const calls: string[] = []
  const one = consumer({ ...session, ...written(calls) }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed(0) === 3n && committed(1) === 3n)
  const two = consumer({ ...session, ...written([]), process: 'two' }).on(orders, () => {})
  await start(two)
  await runtime.runUntil(() => one.health().partitions.length === 1)
  await runtime.advance(100)
  await runtime.run(two.close())
  await runtime.runUntil(() => one.health().partitions.length === 2)
  await runtime.advance(100)
  await runtime.run(one.close())
  expect(calls.map((call) => call.split(' ')[0])).toEqual(
    [1, 2, 3].flatMap(() => ['assigned', 'loaded', 'revoked', 'stored']),
  )
  expect(calls[0]).toBe('assigned 0@0,1@0')
  expect(calls.at(-2)).toBe('revoked 0@3,1@3')
})

test('a close that comes while the group takes partitions back calls onRevoked once, and waits for it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const calls: string[] = []
  const stored = gate()
  const one = consumer({
    ...session,
    process: 'b',
    onRevoked: async () => {
      calls.push('revoked')
      await stored.opened
      calls.push('stored')
    },
  }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  const two = consumer({ ...session, process: 'a' }).on(orders, () => {})
  const joining = start(two)
  await runtime.runUntil(() => calls.length === 1)
  const closing = one.close().then(() => calls.push('closed'))
  await runtime.advance(1_000)
  stored.open()
  await runtime.run(closing)
  await runtime.run(joining)
  expect(calls).toEqual(['revoked', 'stored', 'closed'])
  await runtime.run(two.close())
})

test('partitions that go before onAssigned has succeeded: its signal aborts, and onRevoked is not called for them', async () => {
  const { consumer, runtime, start } = world()
  const calls: string[] = []
  let signal: AbortSignal | undefined
  const one = consumer({
    ...session,
    onAssigned: (_: readonly Position[], context: RebalanceContext) => {
      signal = context.signal
      calls.push('assigned')
      throw new Error('no state')
    },
    onRevoked: () => void calls.push('revoked'),
    onLost: () => void calls.push('lost'),
  }).on(orders, () => {})
  await start(one)
  await runtime.runUntil(() => calls.length === 2)
  expect(signal!.aborted).toBe(false)
  await runtime.run(one.close())
  expect([signal!.aborted, new Set(calls)]).toEqual([true, new Set(['assigned'])])
})

test('an onAssigned that never ends keeps no partition from going: neither a rebalance nor a close waits for it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  const one = consumer({ ...session, process: 'b', onAssigned: () => new Promise(() => {}), onRevoked: () => {} }).on(
    orders,
    () => {},
  )
  await start(one)
  const two = consumer({ ...session, process: 'a' }).on(orders, () => {})
  const began = runtime.clock.monotonic()
  await start(two)
  await runtime.runUntil(() => committed() === 2n)
  expect(runtime.clock.monotonic() - began).toBeLessThan(5_000)
  await runtime.run(Promise.all([one.close(), two.close()]))
  expect(runtime.clock.monotonic() - began).toBeLessThan(5_000)
})

test('a seek inside onAssigned is where its partition starts: nothing is dispatched before the hook has ended', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  for (const partition of [0, 1]) append(ids(6), { partition })
  const seen: string[] = []
  const loaded = gate()
  let aborted: boolean | undefined
  const one = consumer({
    onAssigned: async (_, { signal }) => {
      await one.seek({ topic: 'orders', partition: 0, offset: 4n })
      aborted = signal.aborted
      await loaded.opened
    },
  }).on(orders, (_, context) => void seen.push(place(context)))
  await start(one)
  await runtime.advance(10_000)
  expect([seen, aborted, committed(0)]).toEqual([[], false, 4n])
  expect(one.health().reasons).toHaveLength(2)
  loaded.open()
  await runtime.runUntil(() => committed(0) === 6n && committed(1) === 6n)
  expect(seen.filter((each) => each.startsWith('0'))).toEqual(['0@4', '0@5'])
  await runtime.run(one.close())
})

test('hooks that are no functions are refused', () => {
  const { consumer } = world()
  expect(() => consumer({ onAssigned: 'load', onLost: 1 } as unknown as ConsumerOptions)).toThrow(
    expect.objectContaining({
      code: 'HOLDFAST_CONFIG_INVALID',
      problems: [expect.objectContaining({ path: 'onAssigned' }), expect.objectContaining({ path: 'onLost' })],
    }),
  )
})

test('what ends while onRevoked stores is not committed: the next owner would begin behind what was stored', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const hold = gate()
  let called = false
  let stored: readonly string[] = []
  const one = consumer({
    ...session,
    drainTimeoutMs: 1_000,
    onRevoked: async (partitions) => {
      stored = partitions.map(place)
      await runtime.clock.sleep(3_000)
    },
  }).on(orders, async () => {
    called = true
    await hold.opened
  })
  await start(one)
  await runtime.runUntil(() => called)
  const closing = one.close()
  await runtime.advance(2_000)
  append([{ id: 'late' }], { key: 'late' })
  hold.open()
  await runtime.advance(100)
  expect(one.health().partitions).toMatchObject([{ buffered: 0 }]) // nor is anything taken
  await runtime.run(closing)
  expect([stored, committed()]).toEqual([['0@0'], 0n])
})

test('an onRevoked for which the rebalance leaves no time is refused: it would be given up as it begins', () => {
  const { consumer } = world()
  const least = { drainTimeoutMs: 5_000, heartbeatIntervalMs: 1_000, rebalanceTimeoutMs: 11_500 }
  expect(() => consumer({ ...least, onRevoked: () => {} })).toThrow(
    expect.objectContaining({
      code: 'HOLDFAST_CONFIG_INVALID',
      problems: [expect.objectContaining({ path: 'rebalanceTimeoutMs' })],
    }),
  )
  expect(() => consumer(least)).not.toThrow()
  expect(() => consumer({ ...least, rebalanceTimeoutMs: 11_501, onRevoked: () => {} })).not.toThrow()
})

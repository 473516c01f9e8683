import { expect, test } from 'vitest'
import type { Consumer } from '../../src/consumer/index.ts'
import { createConsumer } from '../../src/consumer/index.ts'
import type { CommitOffset, ConsumerCallbacks } from '../../src/driver/index.ts'
import { GROUP, gate, ids, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 5_000 }

test('a close lets handlers end, commits what they finished, and leaves: nothing is repeated', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(10))
  const seen: string[] = []
  const handler = async ({ value }: { value: { id: string } }): Promise<void> => {
    await runtime.clock.sleep(100)
    seen.push(value.id)
  }
  const one = consumer().on(orders, handler)
  await start(one)
  await runtime.runUntil(() => seen.length === 4)
  await runtime.run(one.close())
  expect(seen).toHaveLength(5) // the one under way ended; no further one began
  expect(committed()).toBe(5n)
  expect(cluster.members('inventory')).toEqual([])
  await expect(one.closed).resolves.toBeUndefined()
  expect(one.health().state).toBe('closed')

  const two = consumer({ process: 'two' }).on(orders, handler)
  await start(two)
  await runtime.runUntil(() => committed() === 10n)
  expect(seen).toEqual(ids(10).map(({ id }) => id))
  await runtime.run(two.close())
})

test('a close waits no longer than its drain time for a handler that hangs, aborts its signal, and leaves its record to others', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  let reason: unknown
  const one = consumer({ drainTimeoutMs: 2_000 }).on(orders, ({ value }, { signal }) => {
    if (value.id === 'o-1') return undefined
    signal.addEventListener('abort', () => (reason = signal.reason))
    return new Promise<void>(() => {})
  })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  const before = runtime.clock.monotonic()
  await runtime.run(one.close())
  expect(runtime.clock.monotonic() - before).toBe(2_000)
  expect(reason).toMatchObject({ code: 'HOLDFAST_CLOSED' })
  expect(committed()).toBe(1n)
})

test('a close called inside a handler that does not await it ends as any other; one that awaits it ends at the drain time', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  const one = consumer().on(orders, () => void one.close())
  await start(one)
  await runtime.run(one.closed)
  expect(committed()).toBe(1n)

  const two: Consumer = consumer({ process: 'two', drainTimeoutMs: 3_000 }).on(orders, () => two.close())
  await start(two)
  await runtime.run(two.closed)
  expect(two.health().state).toBe('closed')
})

test('closing twice is closing once, and a consumer that never started closes too', async () => {
  const { consumer, runtime, start } = world()
  const one = consumer().on(orders, () => {})
  await start(one)
  await runtime.run(Promise.all([one.close(), one.close()]))
  await expect(one.start()).rejects.toMatchObject({ code: 'HOLDFAST_CLOSED' })
  const two = consumer().on(orders, () => {})
  await two[Symbol.asyncDispose]()
  await expect(two.closed).resolves.toBeUndefined()
})

test('a close while it starts ends the start', async () => {
  const { consumer, runtime, points, cluster } = world()
  const checked = points.holdAt('start:checked')
  const one = consumer().on(orders, () => {})
  const starting = one.start()
  starting.catch(() => {})
  await runtime.run(checked.reached)
  const closing = one.close()
  checked.release()
  await runtime.run(closing)
  await expect(starting).rejects.toMatchObject({ code: 'HOLDFAST_CLOSED' })
  expect(cluster.members('inventory')).toEqual([])
})

test('partitions that go to a second member are drained and committed first, so that nothing is lost and nothing repeated', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 4 })
  for (const partition of [0, 1, 2, 3]) append(ids(20), { partition })
  const seen: string[] = []
  const handler = async (_: unknown, { partition, offset }: { partition: number; offset: bigint }): Promise<void> => {
    await runtime.clock.sleep(50)
    seen.push(`${partition}@${offset}`)
  }
  const one = consumer(session).on(orders, handler)
  const two = consumer({ ...session, process: 'two' }).on(orders, handler)
  await start(one)
  await runtime.runUntil(() => seen.length >= 10)
  await start(two)
  await runtime.runUntil(() => [0, 1, 2, 3].every((partition) => committed(partition) === 20n))
  expect(seen.length).toBe(80)
  expect(new Set(seen).size).toBe(80)
  expect(two.health().partitions).toHaveLength(2)
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test('a handler that outlasts the drain is aborted, its partition goes, and what it does afterwards is refused', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(1))
  const hang = gate()
  const refused: unknown[] = []
  const first = consumer({ ...session, process: 'a' }).on(orders, () => hang.opened, { retry: { maxAttempts: 1 } })
  first.listen('stale-refused', (event) => refused.push(event))
  await start(first)
  const second: string[] = []
  const other = consumer({ ...session, process: 'A-comes-first' }).on(orders, ({ value }) => void second.push(value.id))
  await start(other)
  await runtime.runUntil(() => committed() === 1n)
  expect(second).toEqual(['o-1'])
  hang.open()
  await runtime.advance(1_000)
  expect(refused).toEqual([{ position: { topic: 'orders', partition: 0, offset: 0n }, operation: 'complete' }])
  expect(committed()).toBe(1n)
  expect(deadLetters()).toEqual([])
  await runtime.run(Promise.all([first.close(), other.close()]))
})

test('a membership that is lost aborts handlers and commits nothing for them; the records are handled again', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(2))
  const begun = gate()
  let calls = 0
  const lost: unknown[] = []
  const one = consumer(session).on(orders, async (_, { signal }) => {
    if (++calls > 1) return
    begun.open()
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  })
  one.listen('lost', (event) => lost.push(event))
  await start(one)
  await begun.opened
  cluster.expireSession('inventory')
  await runtime.runUntil(() => committed() === 2n)
  expect(lost).toEqual([{ partitions: [{ topic: 'orders', partition: 0 }] }])
  expect(calls).toBe(3)
  await runtime.run(one.close())
})

test('a key that comes back waits for the handler that an earlier assignment left open: never two at once in one process', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(3))
  const hang = gate()
  let running = 0
  let most = 0
  let calls = 0
  const one = consumer(session).on(orders, async () => {
    most = Math.max(most, ++running)
    if (++calls === 1) await hang.opened
    running--
  })
  await start(one)
  await runtime.runUntil(() => calls === 1)
  cluster.expireSession('inventory')
  await runtime.advance(60_000)
  expect(cluster.members('inventory')).toHaveLength(1)
  expect([calls, committed()]).toEqual([1, 0n])
  expect(one.health().reasons).toEqual([
    'orders[0]: a handler of an earlier assignment is still running; its key waits for that',
  ])
  hang.open()
  await runtime.runUntil(() => committed() === 3n)
  expect([most, calls]).toEqual([1, 4])
  await runtime.run(one.close())
})

test('a consumer that ends by itself is started again with growing waits, says so, and loses nothing', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  const crashed: number[] = []
  const one = consumer(session).on(orders, () => {})
  one.listen('crashed', ({ restartInMs }) => crashed.push(restartInMs))
  await start(one)
  for (const round of [1n, 2n, 3n]) {
    cluster.crashConsumer('inventory')
    expect(one.health()).toMatchObject({ state: 'restarting', status: 'unhealthy', partitions: [] })
    append(ids(1))
    await runtime.runUntil(() => committed() === round)
    expect(one.health().status).toBe('healthy')
  }
  expect(crashed.map((ms) => Math.round(ms / 1_000))).toEqual([
    expect.closeTo(1, 0),
    expect.closeTo(2, 0),
    expect.closeTo(4, 0),
  ])
  await runtime.run(one.close())
})

test('a close while it waits to be started again ends the wait', async () => {
  const { consumer, runtime, start, cluster } = world()
  const one = consumer().on(orders, () => {})
  await start(one)
  cluster.crashConsumer('inventory')
  const before = runtime.clock.monotonic()
  await runtime.run(one.close())
  expect(runtime.clock.monotonic()).toBe(before)
  expect(runtime.clock.pending).toBe(0)
})

test('a commit that fails is tried again, without a second call of any handler', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(5))
  let calls = 0
  for (const failure of ['unavailable', 'indeterminate-lost', 'refused', 'indeterminate-written'] as const) {
    cluster.failNextCommit('inventory', failure)
  }
  const one = consumer().on(orders, () => void calls++)
  await start(one)
  await runtime.runUntil(() => committed() === 5n)
  expect(calls).toBe(5)
  await runtime.run(one.close())
})

test('health says when nothing could be committed for long', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  const one = consumer().on(orders, () => {})
  await start(one)
  for (let i = 0; i < 100; i++) cluster.failNextCommit('inventory', 'unavailable')
  append(ids(1))
  await runtime.advance(30_000)
  expect(one.health().reasons[0]).toMatch(/nothing could be committed for \d+ s \(HOLDFAST_UNAVAILABLE\)/)
  await runtime.run(one.close(), { maxMs: 60_000 })
})

test('commits are gathered while records come, and the first after a quiet time is not kept waiting', async () => {
  const { consumer, append, runtime, start } = world()
  const commits: bigint[] = []
  const one = consumer({ commitIntervalMs: 1_000 }).on(orders, () => runtime.clock.sleep(10))
  one.listen('committed', ({ positions }) => commits.push(positions[0]!.offset))
  await start(one)
  await runtime.advance(5_000)
  append(ids(150))
  await runtime.runUntil(() => commits.at(-1) === 150n)
  expect(commits).toEqual([0n, 1n, expect.any(BigInt), 150n])
  await runtime.run(one.close())
})

test('a message whose handler has not been called when its partition goes is not begun any more', async () => {
  const { consumer, append, runtime, start, committed, points } = world()
  append(ids(2))
  let calls = 0
  const begun = points.holdAt('process:begun')
  const one = consumer().on(orders, () => void calls++)
  await start(one)
  await runtime.run(begun.reached)
  const closing = one.close()
  begun.release()
  await runtime.run(closing)
  expect([calls, committed()]).toEqual([0, 0n])
})

test('a message that waits for a slot when its partition goes is not begun any more, and takes no slot from the others', async () => {
  const { consumer, append, runtime, start, committed } = world({ partitions: 2 })
  append(ids(1), { partition: 0 })
  append(ids(1), { partition: 1 })
  const hang = gate()
  let calls = 0
  const one = consumer({ concurrency: 1 }).on(orders, async () => {
    calls++
    await hang.opened
  })
  await start(one)
  await runtime.runUntil(() => calls === 1)
  await runtime.advance(100)
  const closing = one.close()
  hang.open()
  await runtime.run(closing)
  expect(calls).toBe(1)
  expect([committed(0), committed(1)].toSorted()).toEqual([0n, 1n])
})

test('a membership that is lost while its partitions drain leaves nothing paused: what comes afterwards is read', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world({ partitions: 4 })
  const all = [0, 1, 2, 3]
  for (const partition of all) append(ids(1), { partition })
  const hang = gate()
  let calls = 0
  const one = consumer(session).on(orders, async () => {
    if (++calls === 1) await hang.opened
  })
  await start(one)
  await runtime.runUntil(() => calls >= 4)
  const two = consumer({ ...session, process: 'two' }).on(orders, () => {})
  two.start().catch(() => {})
  await runtime.advance(500)
  const [first] = cluster.members('inventory').filter(({ clientId }) => clientId === 'one')
  cluster.expireSession('inventory', first!.memberId)
  await runtime.advance(3_000)
  hang.open()
  await runtime.advance(60_000)
  for (let round = 2n; round <= 4n; round++) {
    for (const partition of all) append(ids(1), { partition })
    await runtime.advance(30_000)
    expect(all.map((partition) => committed(partition))).toEqual([round, round, round, round])
  }
  await runtime.run(Promise.all([one.close(), two.close()]))
})

test('a partition that only waits for an earlier handler holds up no rebalance: there is nothing in it to drain', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  append(ids(2))
  let calls = 0
  const one = consumer(session).on(orders, async () => {
    calls++
    await new Promise<void>(() => {})
  })
  await start(one)
  await runtime.runUntil(() => calls === 1)
  cluster.expireSession('inventory')
  await runtime.advance(60_000)
  expect(one.health().partitions).toMatchObject([{ buffered: 2 }])
  const before = runtime.clock.monotonic()
  await runtime.run(one.close())
  expect([calls, runtime.clock.monotonic() - before]).toEqual([1, 0])
})

test('health says when partitions went and no assignment has followed for longer than a rebalance may take', async () => {
  const { driver, runtime, logger } = world()
  const base = driver()
  let callbacks: ConsumerCallbacks | undefined
  const watched: typeof base = {
    ...base,
    createConsumer(options) {
      const made = base.createConsumer(options)
      return { ...made, start: (topics, given) => made.start(topics, (callbacks = given)) }
    },
  }
  const one = createConsumer({
    driver: watched,
    groupId: GROUP,
    runtime,
    logger,
    ...session,
    rebalanceTimeoutMs: 20_000,
  })
  one.on(orders, () => {})
  await runtime.run(one.start())
  const partition = { topic: 'orders', partition: 0 }
  callbacks!.onLost([partition], 1) // what a driver does that then forgets to ask for partitions again
  await runtime.advance(20_000)
  expect(one.health().status).toBe('healthy')
  await runtime.advance(1_000)
  expect(one.health().reasons).toEqual(['the group has taken the partitions back and assigned nothing for 21 s'])
  await runtime.run(callbacks!.onAssigned([{ ...partition, epoch: 2, committed: null }]))
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('of partitions that are lost in the turn in which they came nothing begins, and nothing is committed', async () => {
  const { driver, runtime, logger, append } = world()
  append(ids(1))
  const base = driver()
  const commits: CommitOffset[] = []
  const one = createConsumer({
    driver: {
      ...base,
      createConsumer(options) {
        const made = base.createConsumer(options)
        return {
          ...made,
          start(topics, given) {
            const onAssigned: ConsumerCallbacks['onAssigned'] = (partitions) => {
              const starts = given.onAssigned(partitions)
              given.onLost(partitions, partitions[0]!.epoch)
              return starts
            }
            return made.start(topics, { ...given, onAssigned })
          },
          async commit(offsets) {
            commits.push(...offsets)
          },
        }
      },
    },
    groupId: GROUP,
    runtime,
    logger,
    ...session,
  })
  const lost: unknown[] = []
  one.listen('lost', ({ partitions }) => lost.push(partitions))
  one.on(orders, () => {})
  await runtime.run(one.start())
  await runtime.advance(5_000)
  expect(lost).toHaveLength(1)
  expect(commits).toEqual([])
  expect(one.health().partitions).toEqual([])
  await runtime.run(one.close())
})

test('a close whose last word to the group fails closes the other connections all the same: one would keep the process alive', async () => {
  const { consumer, runtime, start, driver } = world()
  const base = driver()
  const closed: string[] = []
  const one = consumer({
    driver: {
      ...base,
      createConsumer(options) {
        const made = base.createConsumer(options)
        const stop = async (): Promise<void> => {
          await made.stop()
          throw new Error('the coordinator is gone')
        }
        return { ...made, stop }
      },
      createProducer(options) {
        const made = base.createProducer(options)
        const close: typeof made.close = (chosen) => {
          closed.push('producer')
          return made.close(chosen)
        }
        return { ...made, close }
      },
      createAdmin(options) {
        const made = base.createAdmin(options)
        const close = (): Promise<void> => {
          closed.push('admin')
          return made.close()
        }
        return { ...made, close }
      },
    },
  }).on(orders, () => {})
  await start(one)
  await runtime.run(one.close())
  expect(closed).toEqual(['producer', 'admin'])
})

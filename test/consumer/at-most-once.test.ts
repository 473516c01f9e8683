import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pauseFor, retryAfter, skip } from '../../src/consumer/index.ts'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import { watchCommits } from '../../src/testing/simulation/index.ts'
import { gate, GROUP, ids, orders, world } from './world.ts'

const atMostOnce = { delivery: 'at-most-once' } as const
const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 }

test('the broker has the offset before the handler is called', async () => {
  const { consumer, append, runtime, start, committed, points } = world()
  append(ids(3))
  const seen: (bigint | undefined)[] = []
  const commit = points.holdAt('commit:before')
  const one = consumer({ concurrency: 1 }).on(
    orders,
    (_, { offset }) => void seen.push(committed()! - offset),
    atMostOnce,
  )
  await start(one)
  await runtime.run(commit.reached)
  await runtime.advance(5_000)
  expect(seen).toEqual([])
  commit.release()
  await runtime.runUntil(() => seen.length === 3)
  expect(seen).toEqual([1n, 1n, 1n])
  await runtime.run(one.close())
})

test('messages that begin in one turn share a commit, and those of other keys need not wait for a slow one', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  for (const key of ['a', 'b', 'a', 'c']) append([{ id: key }], { key })
  const slow = gate()
  const done: string[] = []
  const one = consumer().on(
    orders,
    async ({ value }, { offset }) => {
      if (offset === 0n) await slow.opened
      done.push(`${value.id}${offset}`)
    },
    atMostOnce,
  )
  const commits: unknown[] = []
  one.listen('committed', ({ positions }) => commits.push(...positions.map(({ offset }) => offset)))
  await start(one)
  await runtime.advance(1_000)
  expect(done).toEqual(['b1', 'c3'])
  // The third record is of the slow one's key: it is not claimed, so a crash would not lose it.
  expect(cluster.committed(GROUP)[0]).toMatchObject({ offset: 2n })
  expect(commits).toEqual([0n, 2n])
  slow.open()
  await runtime.runUntil(() => done.length === 4)
  expect(commits.at(-1)).toBe(4n)
  await runtime.run(one.close())
})

const POINTS = ['process:decoded', 'process:claimed', 'process:handled', 'commit:before', 'commit:after'] as const

test.each(POINTS.flatMap((point) => [1, 2, 3].map((passing) => [point, passing] as const)))(
  'a process that dies at %s (passing %i) handles nothing twice, and loses no more than it had in handlers',
  async (point, passing) => {
    const { consumer, append, runtime, start, committed, cluster, points } = world()
    append(ids(8))
    const handled: string[] = []
    const handler = async ({ value }: { value: { id: string } }): Promise<void> => {
      handled.push(value.id)
      await runtime.clock.sleep(1)
    }
    for (let i = 1; i < passing; i++) points.holdAt(point).release()
    const hold = points.holdAt(point)
    let dead = false
    void hold.reached.then(() => (dead = true))
    const concurrency = 2
    const one = consumer({ ...session, process: 'dies', concurrency }).on(orders, handler, {
      ...atMostOnce,
      ordering: 'none',
    })
    one.start().catch(() => {})
    await runtime.runUntil(() => dead || committed() === 8n)
    cluster.unreachable(true, 'dies')
    const two = consumer({ ...session, process: 'lives' }).on(orders, handler, atMostOnce)
    await start(two)
    await runtime.advance(20_000)
    hold.release() // the zombie wakes up
    await runtime.advance(60_000)
    expect(committed()).toBe(8n)
    expect(handled.length).toBe(new Set(handled).size)
    expect(8 - handled.length).toBeLessThanOrEqual(concurrency)
    await runtime.run(two.close())
  },
)

test('a message that fails is skipped, counted and logged: its handler is called once, whatever it fails for', async () => {
  const { consumer, append, runtime, start, committed, logged, cluster } = world()
  append([...ids(5), { id: 7 }])
  const called: string[] = []
  const one = consumer().on(
    orders,
    ({ value }) => {
      called.push(value.id)
      if (value.id === 'o-1') throw new TypeError('no')
      if (value.id === 'o-2') return retryAfter(10)
      if (value.id === 'o-3') return pauseFor(10)
      if (value.id === 'o-4') throw new RangeError('a rule knows it')
      return undefined
    },
    { ...atMostOnce, errors: [{ when: RangeError, verdict: 'skip' }] },
  )
  const skipped: string[] = []
  one.listen('skipped', ({ position, reason }) => skipped.push(`${position.offset} ${reason}`))
  await start(one)
  await runtime.runUntil(() => committed() === 6n && skipped.length === 5)
  await runtime.advance(60_000)
  expect(called).toEqual(['o-1', 'o-2', 'o-3', 'o-4', 'o-5'])
  expect(skipped).toEqual([
    '0 handler-failed',
    '1 handler-failed',
    '2 handler-failed',
    '3 an error rule: RangeError',
    '5 schema-invalid',
  ])
  expect(logged).toContainEqual({
    level: 'warn',
    fields: { record: 'orders[0]@0', errorType: 'TypeError' },
    message: 'a record has failed for good',
  })
  expect(cluster.records('orders.dlq')).toEqual([])
  await runtime.run(one.close())
})

test('a batch that throws is called once: what was in it is skipped, and what follows goes on', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(6))
  const calls: string[][] = []
  const one = consumer().onBatch(
    orders,
    (messages, { fail }) => {
      calls.push(messages.map(({ value }) => value.id))
      if (calls.length === 1) throw new Error('no')
      fail(messages[0]!, new Error('nor this'))
    },
    { ...atMostOnce, maxBatchSize: 3 },
  )
  const skipped: bigint[] = []
  one.listen('skipped', ({ position }) => skipped.push(position.offset))
  await start(one)
  await runtime.runUntil(() => calls.length === 2)
  await runtime.advance(60_000)
  expect(calls).toEqual([
    ['o-1', 'o-2', 'o-3'],
    ['o-4', 'o-5', 'o-6'],
  ])
  expect(skipped).toEqual([0n, 1n, 2n, 3n])
  expect(committed()).toBe(6n)
  await runtime.run(one.close())
})

test.each(['on', 'onBatch'] as const)(
  'a close that comes between commit and handler still calls it (%s): a graceful stop loses nothing',
  async (way) => {
    const { consumer, append, runtime, start, committed, points } = world()
    append(ids(4))
    const handled: string[] = []
    const held = points.holdAt('process:claimed')
    const one = consumer()
    if (way === 'on') one.on(orders, ({ value }) => void handled.push(value.id), { ...atMostOnce, ordering: 'none' })
    else one.onBatch(orders, (messages) => void handled.push(...messages.map(({ value }) => value.id)), atMostOnce)
    await start(one)
    await runtime.run(held.reached)
    expect(handled).not.toContain('o-1')
    const closing = one.close()
    held.release()
    await runtime.run(closing)
    expect(handled.toSorted()).toEqual(['o-1', 'o-2', 'o-3', 'o-4'])
    expect(committed()).toBe(4n)
  },
)

test('what is claimed and cannot be handled before the partition goes is told as abandoned, and never comes again', async () => {
  const { consumer, append, runtime, start, committed, points } = world()
  append(ids(1))
  const stuck = points.holdAt('process:claimed')
  const one = consumer({ drainTimeoutMs: 1_000 }).on(orders, () => expect.unreachable(), atMostOnce)
  const abandoned: bigint[] = []
  one.listen('abandoned', ({ position }) => abandoned.push(position.offset))
  await start(one)
  await runtime.run(stuck.reached)
  await runtime.run(one.close())
  stuck.release()
  await runtime.advance(1_000)
  expect(abandoned).toEqual([0n])
  expect(committed()).toBe(1n)
})

test('what a handler has come to after its partition went is told all the same: nobody else will ever tell it', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  append(ids(2))
  const open = gate()
  const one = consumer(session).on(
    orders,
    async ({ value }) => {
      await open.opened
      return value.id === 'o-1' ? skip('too late') : undefined
    },
    { ...atMostOnce, ordering: 'none' },
  )
  const told: string[] = []
  for (const name of ['handled', 'skipped', 'abandoned', 'lost'] as const) one.listen(name, () => told.push(name))
  await start(one)
  await runtime.runUntil(() => one.health().partitions[0]?.watermark === 2n)
  cluster.expireSession(GROUP)
  await runtime.runUntil(() => told.includes('lost'))
  open.open()
  await runtime.advance(10_000)
  expect(told).toEqual(['lost', 'skipped', 'handled'])
  await runtime.run(one.close())
})

test('an error of ours behind the handler does not have it called again', async () => {
  const { consumer, append, runtime, start, committed, points } = world()
  append(ids(2))
  points.throwAt('process:handled')
  const handled: string[] = []
  const one = consumer().on(orders, ({ value }) => void handled.push(value.id), atMostOnce)
  const skipped: string[] = []
  one.listen('skipped', ({ reason }) => skipped.push(reason))
  await start(one)
  await runtime.runUntil(() => handled.length === 2 && skipped.length === 1)
  await runtime.advance(60_000)
  expect(handled).toEqual(['o-1', 'o-2'])
  expect(skipped).toEqual(['at-most-once'])
  expect(committed()).toBe(2n)
  await runtime.run(one.close())
})

test.each(['on', 'onBatch'] as const)(
  'a member that the group may have replaced calls nobody in its drain: another may be at the next message of the key (%s)',
  async (way) => {
    const { consumer, append, runtime, start, points, cluster } = world()
    append(ids(2))
    const claimed = points.holdAt('process:claimed')
    const one = consumer({ ...session, drainTimeoutMs: 8_000 })
    if (way === 'on') one.on(orders, () => expect.unreachable(), atMostOnce)
    else one.onBatch(orders, () => expect.unreachable(), atMostOnce)
    const abandoned: bigint[] = []
    one.listen('abandoned', ({ position }) => abandoned.push(position.offset))
    await start(one)
    await runtime.run(claimed.reached)
    cluster.unreachable(true)
    await runtime.advance(9_000)
    const closing = one.close()
    await runtime.advance(3_000) // the session is over, the drain is not
    claimed.release()
    await runtime.run(closing)
    await runtime.advance(60_000)
    expect(abandoned).toContain(0n)
  },
)

test('while commits fail nothing is handled, and all of it is when they succeed again', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  const handled: string[] = []
  const one = consumer(session).on(orders, ({ value }) => void handled.push(value.id), atMostOnce)
  await start(one)
  for (let i = 0; i < 9; i++) cluster.failNextCommit(GROUP, 'unavailable')
  append(ids(3))
  await runtime.advance(15_000)
  expect(handled).toEqual([])
  expect(one.health().reasons.join()).toContain('nothing could be committed')
  await runtime.runUntil(() => handled.length === 3)
  await runtime.run(one.close())
})

test.each([true, false])(
  'however many keys are ahead of a slow one, no more is claimed than there are places, and all of it is handled (text with commits: %s)',
  async (commitMetadata) => {
    const { consumer, append, runtime, start, committed, driver } = world()
    for (let i = 0; i < 100; i++) append([{ id: `${i}` }], { key: i % 2 === 0 ? 'slow' : `k${i}` })
    const done = new Set<bigint>()
    let atRisk = 0
    const one = driver('one')
    const concurrency = 3
    const watched = watchCommits(
      { ...one, capabilities: { ...one.capabilities, commitMetadata } },
      ({ covers, offsets: [first] }) => {
        const moved = Array.from({ length: 100 }, (_, i) => BigInt(i)).filter((offset) =>
          covers({ topic: first!.topic, partition: first!.partition, offset }),
        )
        atRisk = Math.max(atRisk, moved.filter((offset) => !done.has(offset)).length)
      },
    )
    const slow = consumer({ driver: watched, concurrency }).on(
      orders,
      async (_, { offset }) => {
        await runtime.clock.sleep(offset === 0n ? 300 : offset % 2n === 0n ? 1 : 20)
        done.add(offset)
      },
      { ...atMostOnce, handlerTimeoutMs: 200 }, // its place is free then, and its key is not
    )
    slow.listen('timed-out', ({ position }) => done.add(position.offset))
    await start(slow)
    await runtime.runUntil(() => committed() === 100n && done.size === 100)
    expect(atRisk).toBeLessThanOrEqual(concurrency)
    await runtime.run(slow.close())
  },
)

test('a broker that refuses longer text takes nothing away of what it was told: a crash after that has nothing handled twice', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  for (const key of ['a', 'b', 'a', 'c', 'a', 'd']) append([{ id: key }], { key })
  const handled: bigint[] = []
  const slow = gate()
  const handler = async (_: unknown, { offset }: { offset: bigint }): Promise<void> => {
    handled.push(offset)
    if (offset === 0n) await slow.opened
  }
  const one = consumer({ ...session, process: 'dies' }).on(orders, handler, atMostOnce)
  await start(one)
  await runtime.runUntil(() => handled.length === 4)
  cluster.failNextCommit(GROUP, 'refused')
  append([{ id: 'e' }], { key: 'e' })
  await runtime.advance(5_000)
  expect(cluster.committed(GROUP)[0]).toMatchObject({ offset: 2n })
  cluster.unreachable(true, 'dies')
  const two = consumer({ ...session, process: 'lives' }).on(orders, handler, atMostOnce)
  await start(two)
  await runtime.runUntil(() => committed() === 7n)
  await runtime.advance(60_000)
  expect(handled.toSorted()).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n])
  await runtime.run(two.close())
})

test('what was given up before its commit was acknowledged is not committed behind that: the next owner handles it', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  const handled: string[] = []
  const one = consumer({ ...session, drainTimeoutMs: 500 }).on(
    orders,
    ({ value }) => void handled.push(value.id),
    atMostOnce,
  )
  await start(one)
  for (let i = 0; i < 4; i++) cluster.failNextCommit(GROUP, 'unavailable') // for longer than it drains, not than it may commit
  append(ids(2))
  await runtime.advance(50)
  await runtime.run(one.close())
  expect(handled).toEqual([])
  const two = consumer(session).on(orders, ({ value }) => void handled.push(value.id), atMostOnce)
  await start(two)
  await runtime.runUntil(() => committed() === 2n && handled.length === 2)
  expect(handled).toEqual(['o-1', 'o-2'])
  await runtime.run(two.close())
})

test('what has no meaning beside it is refused, all of it at once; exactly-once is refused by its name', async () => {
  const { consumer, runtime } = world()
  const store = memoryDedupeStore({ runtime })
  const one = consumer()
    .on(orders, () => {}, {
      ...atMostOnce,
      retry: { maxAttempts: 2 },
      deadLetter: { topic: 'orders.dlq' },
      dedupe: { store },
      ack: 'manual',
      errors: [
        { when: TypeError, verdict: 'park' },
        { when: RangeError, verdict: 'stop' },
      ],
    })
    .on({ ...orders, name: 'later' }, () => {}, { delivery: 'exactly-once' as 'at-most-once' })
  const refusal = await one.start().catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  const problems = (refusal as { problems: readonly { path: string; message: string }[] }).problems
  expect(problems.map(({ path }) => path)).toEqual([
    'orders.retry',
    'orders.deadLetter',
    'orders.dedupe',
    'orders.ack',
    'orders.errors.0.verdict',
    'later.delivery',
  ])
  expect(problems.at(-1)!.message).toContain('exactly-once')
})

describe('claims', () => {
  test('however slow one key is, with however many others between: all is handled once, across a crash that is none in a handler', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 30, maxLength: 150 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 400 }),
        async (keys, concurrency, diesAtMs) => {
          const { consumer, append, runtime, start, committed, cluster } = world()
          for (const [i, key] of keys.entries()) append([{ id: `${i}` }], { key: `k${key}` })
          const handled: string[] = []
          const inHandlers = new Set<string>()
          let dead = false
          const handler =
            (process: string) =>
            async ({ value }: { value: { id: string } }): Promise<void> => {
              if (dead && process === 'dies') return
              handled.push(value.id)
              inHandlers.add(value.id)
              await runtime.clock.sleep(keys[Number(value.id)] === 0 ? 50 : 1)
              inHandlers.delete(value.id)
            }
          const one = consumer({ ...session, process: 'dies', concurrency }).on(orders, handler('dies'), atMostOnce)
          await start(one)
          await runtime.advance(diesAtMs)
          dead = true
          cluster.unreachable(true, 'dies')
          const two = consumer({ ...session, process: 'lives', concurrency }).on(orders, handler('lives'), atMostOnce)
          await start(two)
          await runtime.runUntil(() => committed() === BigInt(keys.length))
          await runtime.advance(60_000)
          expect(handled.length).toBe(new Set(handled).size)
          expect(keys.length - handled.length).toBeLessThanOrEqual(concurrency)
          await runtime.run(two.close())
        },
      ),
      { numRuns: 40 },
    )
  })
})

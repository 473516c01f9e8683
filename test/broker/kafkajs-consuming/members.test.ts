import { expect, onTestFinished, test, vi } from 'vitest'
import { deferred } from '../../../src/testing/deferred.ts'
import type { Bare } from './bare.ts'
import { runBare } from './bare.ts'
import { createWorld, numbers } from './member.ts'
import { createLedger, createService, driverOf, startLoad, work } from './service.ts'

/** By place: the producer under these tests, bare kafkajs as well, may write a value twice. */
const repeated = (places: readonly string[]): string[] => places.filter((place, i) => places.indexOf(place) !== i)

const inOrder = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)

test('bare kafkajs repeats handled messages when a member joins under load: the defect that the held join is for', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, ...numbers(0, 200))
  await world.send(1, ...numbers(200, 400))
  const ledger = createLedger()
  /** Handles beside kafkajs' loop and commits what is finished twice a second, as everyone must who handles in parallel on kafkajs. */
  const runParallel = async (): Promise<void> => {
    const queues = new Map<number, Promise<void>>()
    let commitAt = Date.now() + 500
    const bare: Bare = await runBare(world, {
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({
        batch: { topic, partition, messages, lastOffset },
        resolveOffset,
        commitOffsetsIfNecessary,
      }) => {
        const assignment = bare.assignments.length
        for (const { offset, value } of messages) {
          const handle = async (): Promise<void> => {
            if (bare.assignments.length !== assignment) return // others may own it
            await work(5)
            ledger.note(Number(value))
            if (Date.now() < commitAt || bare.assignments.length !== assignment) return
            commitAt = Date.now() + 500
            await commitOffsetsIfNecessary({
              topics: [{ topic, partitions: [{ partition, offset: `${Number(offset) + 1}` }] }],
            })
          }
          queues.set(
            partition,
            (queues.get(partition) ?? Promise.resolve()).then(handle).catch(() => {}),
          )
        }
        resolveOffset(lastOffset())
      },
    })
  }
  await runParallel()
  await ledger.until(() => ledger.entries.length >= 20)
  await runParallel()
  await ledger.until(() => new Set(ledger.entries).size === 400)
  expect(ledger.entries.length).toBeGreaterThan(400)
})

test('members that join and members that leave under load repeat no handled message and lose none', async () => {
  const world = await createWorld({ partitions: 4 })
  const ledger = createLedger()
  const handledBy = new Map<string, number>()
  const places: string[] = []
  const member = (name: string) =>
    createService(world, async (value, { partition, offset }) => {
      await work(5)
      handledBy.set(name, (handledBy.get(name) ?? 0) + 1)
      places.push(`${partition}@${offset}`)
      ledger.note(value)
    })
  const load = startLoad(world, 4)
  const [one, two, three] = [member('one'), member('two'), member('three')]
  await one.start()
  await ledger.until(() => ledger.entries.length >= 50)
  await two.start()
  await ledger.until(() => (handledBy.get('two') ?? 0) >= 50)
  await Promise.all([three.start(), one.close()]) // one comes while another goes
  await ledger.until(() => (handledBy.get('three') ?? 0) >= 50)
  await two.close()
  const sent = await load.stop()
  await ledger.until(() => new Set(ledger.entries).size === sent.length)
  await three.close()

  expect(repeated(places)).toEqual([])
  expect(inOrder([...new Set(ledger.entries)])).toEqual(sent)
})

test('a rolling restart of four members under load repeats no handled message and loses none', async () => {
  const world = await createWorld({ partitions: 4 })
  const ledger = createLedger()
  const places: string[] = []
  const start = async () => {
    const service = createService(world, async (value, { partition, offset }) => {
      await work(5)
      places.push(`${partition}@${offset}`)
      ledger.note(value)
    })
    await service.start()
    return service
  }
  const load = startLoad(world, 4)
  const before = await Promise.all([start(), start(), start(), start()])
  await ledger.until(() => ledger.entries.length >= 100)
  const after: Awaited<ReturnType<typeof start>>[] = []
  for (const old of before) {
    await old.close()
    after.push(await start())
  }
  const sent = await load.stop()
  await ledger.until(() => new Set(ledger.entries).size === sent.length)
  await Promise.all(after.map((service) => service.close()))

  expect(repeated(places)).toEqual([])
  expect(inOrder([...new Set(ledger.entries)])).toEqual(sent)
})

test('a handler that ends after its partition was given to another member moves no offset there', async () => {
  const world = await createWorld({ partitions: 2 })
  await world.send(0, '0')
  await world.send(1, '1')
  const [stuck, owners] = [deferred(), deferred()]
  const aborted: number[] = []
  const started = createLedger()
  const stale: unknown[] = []
  const old = createService(
    world,
    async (value, { signal }) => {
      signal.addEventListener('abort', () => aborted.push(value), { once: true })
      started.note(value)
      await stuck.promise
    },
    { drainTimeoutMs: 200 },
  )
  old.listen('stale-refused', (event) => stale.push(event))
  await old.start()
  await started.until(() => started.entries.length === 2)
  const again = createLedger()
  const owner = createService(world, async (value) => {
    again.note(value)
    await owners.promise
  })
  await owner.start()
  await again.until(() => again.entries.length === 1)
  const lost = again.entries[0]!
  const committed: number[] = []
  old.listen('committed', ({ positions }) => committed.push(...positions.map(({ partition }) => partition)))
  expect(aborted.toSorted()).toEqual([0, 1])

  stuck.resolve() // now, late
  await vi.waitFor(() => expect(committed).toContain(1 - lost), { timeout: 10_000 }) // the one it kept is handled again
  expect(committed).not.toContain(lost)
  expect((await world.committed())[lost]?.[0] ?? '0').toBe('0')
  owners.resolve()
  await vi.waitFor(async () => expect((await world.committed())[lost]?.[0]).toBe('1'), { timeout: 5_000 })
})

test('a TypeError in a handler is a failed attempt and the consumer lives on, where bare kafkajs ends without a word', async () => {
  const ours = await createWorld()
  const theirs = await createWorld()
  for (const world of [ours, theirs]) await world.send(0, '0', '1', '2')
  const fail = (value: number): void => {
    if (value === 1) (undefined as unknown as { f(): void }).f()
  }
  const bareSaw: number[] = []
  const bare = await runBare(theirs, {
    eachMessage: async ({ message }) => {
      bareSaw.push(Number(message.value))
      fail(Number(message.value))
    },
  })
  const crashed = deferred<boolean>()
  bare.consumer.on('consumer.crash', ({ payload }) => crashed.resolve(payload.restart))

  await ours.admin.createTopics({ waitForLeaders: true, topics: [{ topic: `${ours.topic}.dlq` }] })
  const ledger = createLedger()
  const service = createService(
    ours,
    (value) => {
      ledger.note(value)
      fail(value)
    },
    { subscription: { deadLetter: { topic: `${ours.topic}.dlq` }, retry: { maxAttempts: 2, initialDelayMs: 10 } } },
  )
  const parked: bigint[] = []
  service.listen('parked', ({ position }) => parked.push(position.offset))
  await service.start()
  await ledger.until(() => ledger.entries.includes(2))
  await vi.waitFor(() => expect(parked).toEqual([1n]), { timeout: 5_000 })
  expect(inOrder(ledger.entries)).toEqual([0, 1, 1, 2])
  expect(service.health().status).toBe('healthy')

  expect(await crashed.promise, 'bare kafkajs starts again after this').toBe(false)
  await theirs.send(0, '3')
  await ours.send(0, '3')
  await ledger.until(() => ledger.entries.includes(3))
  expect(bareSaw).toEqual([0, 1])
})

test('close asked for inside a handler lets that handler end and commits it, where bare kafkajs waits for itself', async () => {
  const ours = await createWorld()
  const theirs = await createWorld()
  for (const world of [ours, theirs]) await world.send(0, ...numbers(0, 20))
  const give = deferred()
  let bareStopped = false
  const bareAsked = deferred()
  const bare = await runBare(theirs, {
    eachMessage: async () => {
      bareAsked.resolve()
      await Promise.race([bare.consumer.stop().then(() => (bareStopped = true)), give.promise])
    },
  })
  onTestFinished(() => give.resolve()) // or its own end would wait for it, too

  const ledger = createLedger()
  let closing: Promise<void> | undefined
  const service = createService(
    ours,
    async (value) => {
      if (value === 7) closing ??= service.close()
      await work(1)
      ledger.note(value)
    },
    { subscription: { deadLetter: false, onExhausted: 'pause', ordering: 'partition' } },
  )
  await service.start()
  await ledger.until(() => closing !== undefined)
  await closing
  await service.closed
  expect(ledger.entries).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect((await ours.committed())[0]![0]).toBe('8')

  const next = createService(ours, (value) => ledger.note(value))
  await next.start()
  await ledger.until(() => ledger.entries.length === 20)
  expect(inOrder(ledger.entries)).toEqual(numbers(0, 20).map(Number))
  await bareAsked.promise
  expect(bareStopped, 'ours has closed, and another has taken over meanwhile').toBe(false)
})

test('two consumers of one process and one driver share a group without sharing state, and one of another group sees everything', async () => {
  const world = await createWorld({ partitions: 2 })
  const driver = driverOf(world)
  const mine = [createLedger(), createLedger()] as const
  const all = createLedger()
  const services = mine.map((ledger) => createService(world, (value) => ledger.note(value), { driver }))
  const other = createService(world, (value) => all.note(value), { driver, groupId: `${world.groupId}-other` })
  await Promise.all([...services, other].map((service) => service.start()))
  await vi.waitFor(() => expect(services.map((service) => service.health().partitions.length)).toEqual([1, 1]), {
    timeout: 10_000,
  })
  await world.send(0, ...numbers(0, 50))
  await world.send(1, ...numbers(50, 100))
  await Promise.all([
    ...mine.map((ledger) => ledger.until(() => ledger.entries.length >= 50)),
    all.until(() => all.entries.length >= 100),
  ])

  expect(inOrder(mine.flatMap(({ entries }) => entries))).toEqual(numbers(0, 100).map(Number))
  expect(inOrder(all.entries)).toEqual(numbers(0, 100).map(Number))
  await services[0]!.close()
  await vi.waitFor(() => expect(services[1]!.health().partitions).toHaveLength(2), { timeout: 10_000 })
  await world.send(0, '100')
  await world.send(1, '101')
  await mine[1].until(() => mine[1].entries.length >= 52)
  expect(inOrder(mine.flatMap(({ entries }) => entries))).toEqual(numbers(0, 102).map(Number))
})

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Runtime } from '../../../src/clock/index.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import { deferred } from '../../../src/testing/deferred.ts'
import { API_KEYS } from '../../helpers/kafka-proxy.ts'
import type { KafkaProxy } from '../../helpers/kafka-proxy.ts'
import type { Services } from '../../helpers/services.ts'
import { startServices } from '../../helpers/services.ts'
import { runBare } from './bare.ts'
import { expel, groupOf } from './group.ts'
import { createMember, createWorld, numbers } from './member.ts'
import { watchSockets } from './watched-sockets.ts'

let services: Services
let brokers: string[]
let pastTheProxy: string[]
let proxy: KafkaProxy

beforeAll(async () => {
  services = await startServices({ kafka: { proxied: true } })
  brokers = services.kafka!.brokers
  pastTheProxy = [services.kafka!.nodes[0]!.directAddress]
  proxy = services.kafka!.nodes[0]!.proxy!
})
afterAll(() => services.close())

test('a join whose socket died while it was held is not written to it, and the member drains, commits and comes back', async () => {
  const world = await createWorld({ partitions: 2, brokers })
  await world.send(0, ...numbers(0, 5))
  await world.send(1, ...numbers(5, 10))
  const drain = deferred()
  const sockets = watchSockets()
  const old = await createMember({
    ...world,
    topics: [world.topic],
    config: { socketFactory: sockets.socketFactory },
    callbacks: {
      async onRevoked(partitions, epoch) {
        if (epoch > 1) return
        await drain.promise
        await old.consumer.commit(partitions.map((each) => ({ ...each, offset: 5n, epoch })))
      },
    },
  })
  await old.start()
  await old.until(() => old.records().length === 10)
  const next = await createMember({ ...world, topics: [world.topic], brokers: pastTheProxy })
  await next.start()
  await vi.waitFor(async () => expect((await groupOf(world)).state).toBe('PreparingRebalance'))
  const heldAt = old.consumer.lastHeartbeatAt()!
  await vi.waitFor(() => expect(old.consumer.lastHeartbeatAt()).toBeGreaterThan(heldAt + 600)) // its join is held by now
  const joinsBefore = sockets.written.filter((name) => name === 'joinGroup').length
  proxy.reset()
  const resetAt = systemRuntime.clock.monotonic()
  await vi.waitFor(() => expect(old.consumer.lastHeartbeatAt()).toBeGreaterThan(resetAt + 300), { timeout: 5_000 })
  expect(sockets.written.filter((name) => name === 'joinGroup')).toHaveLength(joinsBefore)
  drain.resolve()
  await Promise.all([
    old.until(() => old.epoch() > 1 && old.owned().length === 1),
    next.until(() => next.owned().length === 1),
  ])

  expect(sockets.written.filter((name) => name.endsWith('dead'))).toEqual([])
  expect(await world.committed()).toEqual({ 0: ['5', ''], 1: ['5', ''] })
  await world.send(0, 'new 0')
  await world.send(1, 'new 1')
  const fresh = (): string[] => [...old.values().slice(10), ...next.values()]
  await Promise.all([old.until(() => old.records().length > 10), next.until(() => next.records().length > 0)])
  expect(fresh().toSorted()).toEqual(['new 0', 'new 1'])
})

test('a member that learns by its own join that the group has forgotten it commits nothing, since its partitions may be taken', async () => {
  const world = await createWorld({ brokers })
  await world.send(0, ...numbers(0, 5))
  const sockets = watchSockets()
  const late: Promise<unknown>[] = []
  const clock = { ...systemRuntime.clock, every: () => ({ cancel: () => {} }) } // kafkajs' own heartbeat finds out, not the adapter's
  const member = await createMember({
    ...world,
    topics: [world.topic],
    config: { socketFactory: sockets.socketFactory },
    options: { runtime: { ...systemRuntime, clock } },
    callbacks: {
      onLost(_, epoch) {
        late.push(member.consumer.commit([{ topic: world.topic, partition: 0, offset: 5n, epoch }]).catch(codeOf))
      },
    },
  })
  await member.start()
  await member.until(() => member.records().length === 5)
  await expel(world)
  await member.until(() => member.epoch() === 2)

  expect(member.heard.map(({ kind }) => kind).filter((kind) => kind !== 'batch')).toEqual([
    'assigned',
    'lost',
    'assigned',
  ])
  expect(await Promise.all(late)).toEqual(['HOLDFAST_EPOCH_LOST'])
  expect(sockets.written).not.toContain('offsetCommit')
  expect(await world.committed()).toEqual({})
})

test('the leave of a consumer whose kafkajs died waits for the drain and its commit, so that the next owner repeats nothing', async () => {
  const world = await createWorld({ brokers })
  await world.send(0, ...numbers(0, 5))
  const sockets = watchSockets()
  let dying = false
  const member = await createMember({
    ...world,
    topics: [world.topic],
    config: {
      socketFactory(args) {
        const socket = sockets.socketFactory(args)
        const write = socket.write.bind(socket) as (frame: Buffer, ...rest: unknown[]) => boolean
        // What kafkajs cannot go on after: an error that is not of its own kind, out of a fetch.
        socket.write = ((frame: Buffer, ...rest: unknown[]) => {
          if (dying && frame.readInt16BE(4) === API_KEYS.fetch) throw new TypeError('a socket of the user that fails')
          return write(frame, ...rest)
        }) as typeof socket.write
        return socket
      },
    },
    callbacks: {
      async onRevoked(partitions, epoch) {
        await member.consumer.commit(partitions.map((each) => ({ ...each, offset: 5n, epoch })))
      },
    },
  })
  await member.start()
  await member.until(() => member.records().length === 5)
  dying = true
  await member.until(() => member.heard.some(({ kind }) => kind === 'crash'))

  expect(sockets.written.filter((name) => name === 'offsetCommit' || name === 'leaveGroup')).toEqual([
    'offsetCommit',
    'leaveGroup',
  ])
  expect(await groupOf(world)).toEqual({ state: 'Empty', members: 0 })
  const next = await createMember({ ...world, topics: [world.topic] })
  await next.start()
  await world.send(0, 'new')
  await next.until(() => next.records().length > 0)
  expect(next.values()).toEqual(['new'])
})

/** Repeats everything five times as often, so that what is found after 10 s is found after 2 s. */
const hurried: Runtime = {
  ...systemRuntime,
  clock: { ...systemRuntime.clock, every: (ms, call) => systemRuntime.clock.every(ms / 5, call) },
}

// kafkajs has no member id then, sends no heartbeat without one, and asks for none: it read nothing for ever.
test('a member that the group has forgotten and whose join is lost on the way is started again', async () => {
  const world = await createWorld({ brokers })
  const member = await createMember({
    ...world,
    topics: [world.topic],
    options: { runtime: hurried, sessionTimeoutMs: 30_000 },
    callbacks: { onCrash: () => void member.start() },
  })
  await member.start()
  await member.until(() => member.epoch() === 1)
  const swallowed = proxy.swallowResponses(API_KEYS.joinGroup, 1)
  await expel(world)
  await swallowed.spent
  await world.send(0, 'a')
  await member.until(() => member.values().includes('a'))
  expect(member.heard.map(({ kind }) => kind)).toEqual(['assigned', 'lost', 'crash', 'assigned', 'batch'])
  expect(member.heard[2]).toMatchObject({
    error: { message: expect.stringContaining('has no assignment, and does not ask'), retriable: true },
  })
})

test('a member whose assignment was lost on the way is started again, where bare kafkajs reads on from the one that is over', async () => {
  const ours = await createWorld({ brokers })
  const theirs = await createWorld({ brokers })
  const member = await createMember({
    ...ours,
    topics: [ours.topic],
    options: { runtime: hurried, sessionTimeoutMs: 30_000 },
    callbacks: { onCrash: () => void member.start() }, // as the core does, which waits a moment first
  })
  const bareSaw: string[] = []
  const bare = await runBare(theirs, {
    autoCommit: false,
    eachMessage: async ({ message }) => void bareSaw.push(String(message.value)),
  })
  await member.start()
  await member.until(() => member.epoch() === 1)
  await vi.waitFor(() => expect(bare.assignments).toHaveLength(1), { timeout: 5_000 })

  const swallowed = proxy.swallowResponses(API_KEYS.syncGroup, 2)
  await Promise.all([expel(ours), expel(theirs)])
  await swallowed.spent
  await ours.send(0, 'a')
  await theirs.send(0, 'a')
  await member.until(() => member.values().includes('a'))
  await vi.waitFor(() => expect(bareSaw).toEqual(['a']), { timeout: 5_000 })

  expect(member.heard.map(({ kind }) => kind)).toEqual(['assigned', 'lost', 'crash', 'assigned', 'batch'])
  expect(member.heard.find(({ kind }) => kind === 'crash')).toMatchObject({
    error: {
      code: 'HOLDFAST_CONSUMER_CRASHED',
      message: expect.stringContaining('has no assignment, and does not ask'),
    },
  })
  expect(await groupOf(theirs), 'the group has assigned, and counts the bare member in').toEqual({
    state: 'Stable',
    members: 1,
  })
  expect(bare.assignments, 'it never heard of that').toHaveLength(1)
})

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code
}

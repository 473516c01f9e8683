import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Broker, ConsumerConfig, ISocketFactory, KafkaConfig } from 'kafkajs'
import { expect, test } from 'vitest'
import { createConsumerSession } from '../../../src/driver/kafkajs/consumer-session.ts'
import type { KafkajsContext } from '../../../src/driver/kafkajs/kafkajs-context.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'

const require = createRequire(import.meta.url)
const createRequest = require('kafkajs/src/protocol/request') as (frame: object) => Promise<{ buffer: Buffer }>

/** A request as kafkajs writes it. */
async function frame(api: string, version: number, body: object): Promise<Buffer> {
  const { protocol } = require(`kafkajs/src/protocol/requests/${api}`) as {
    protocol(options: { version: number }): (body: object) => { request: unknown }
  }
  return (await createRequest({ correlationId: 1, clientId: 'c', request: protocol({ version })(body).request })).buffer
}

/** Any response: 4 bytes of length, and as many. */
const ANSWER = Buffer.from([0, 0, 0, 1, 0])

const groupId = 'inventory'
const join = (): Promise<Buffer> =>
  frame('joinGroup', 5, {
    groupId,
    memberId: 'm',
    sessionTimeout: 1,
    rebalanceTimeout: 1,
    protocolType: 'consumer',
    groupProtocols: [],
  })
const sync = (): Promise<Buffer> =>
  frame('syncGroup', 3, { groupId, memberId: 'm', generationId: 1, groupAssignment: [] })

/** A session on a kafkajs consumer whose events, requests and end the test makes; `heard` is what the core heard. */
async function setup(
  given: {
    readonly onBatch?: () => void
    readonly config?: Partial<KafkaConfig>
    readonly heartbeat?: () => Promise<void>
  } = {},
) {
  const runtime = virtualRuntime()
  const heard: string[] = []
  const events = new EventEmitter()
  let disconnected = (): void => {}
  let eachBatch: (payload: unknown) => Promise<void> = async () => {}
  const kafkajs = {
    on: (name: string, listener: (event: unknown) => void) => events.on(name, listener),
    connect: async () => {},
    subscribe: async () => {},
    run: async (options: { eachBatch: typeof eachBatch }) => void ({ eachBatch } = options),
    disconnect: () => new Promise<void>((resolve) => (disconnected = resolve)),
    pause: () => {},
    resume: () => {},
    seek: () => {},
  }
  let answerJoin = (_answer?: Error): void => {}
  let lookUps = 0
  const coordinator = {
    isConnected: () => true,
    heartbeat: given.heartbeat ?? (async () => {}),
    joinGroup: () =>
      new Promise<void>((resolve, reject) => {
        answerJoin = (answer) => (answer === undefined ? resolve() : reject(answer))
      }),
    offsetFetch: async () => ({ responses: [] }),
  }
  const lookUp = async (): Promise<void> => {}
  const cluster = {
    findGroupCoordinator: async () => (lookUps++, coordinator),
    fetchTopicsOffset: async () => [],
    refreshMetadata: lookUp,
    refreshMetadataIfNecessary: lookUp,
    findBroker: async () => coordinator,
    getNodeIds: () => [0],
  }
  let factory!: ISocketFactory
  const written: Buffer[] = []
  const socket = Object.assign(new EventEmitter(), {
    write: (bytes: Buffer) => written.push(bytes) > 0,
    writable: true,
    resetAndDestroy: () => {},
    destroy: (error: Error) => heard.push(`socket: ${error.message}`),
  })
  const context = {
    config: { brokers: [], socketFactory: () => socket as unknown as Socket, ...given.config },
    newKafka: (overrides: Partial<KafkaConfig>) => {
      factory = overrides.socketFactory!
      return {
        consumer: (options: ConsumerConfig & { partitionAssigners: ((config: object) => void)[] }) => {
          made = options
          options.partitionAssigners[0]!({ cluster, groupId })
          return kafkajs
        },
      }
    },
  } as unknown as KafkajsContext
  let made!: ConsumerConfig
  let epochs = 0
  const session = createConsumerSession({
    context,
    options: {
      groupId,
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      heartbeatIntervalMs: 3_000,
      maxWaitMs: 500,
      maxBytesPerPartition: 1,
      runtime,
      logger: silentLogger,
    },
    topics: ['orders'],
    callbacks: {
      onAssigned: async (partitions) => {
        heard.push('assigned')
        return partitions.map(({ topic, partition }) => ({ topic, partition, offset: 0n }))
      },
      onRevoked: async () => void heard.push('revoked'),
      onLost: () => heard.push('lost'),
      onBatch: () => given.onBatch?.(),
      onOutOfRange: () => {},
      onCrash: ({ code, retriable }) => heard.push(`crash ${code}${retriable ? ', retriable' : ''}`),
    },
    paused: new Set(),
    nextEpoch: () => ++epochs,
  })
  const wire = factory({ host: 'h', port: 1, ssl: undefined as never, onConnect: () => {} })
  const joined = async (): Promise<void> => {
    wire.write(await sync())
    socket.emit('data', ANSWER)
    events.emit('consumer.group_join', { payload: { memberAssignment: { orders: [0] } } })
    await runtime.advance(1)
  }
  const started = session.start()
  await runtime.advance(1)
  await joined()
  await started
  return {
    runtime,
    heard,
    joined,
    made,
    written,
    wire,
    lookUps: () => lookUps,
    /** kafkajs asks to join again, and waits until the test answers. */
    async asksToJoin() {
      wire.write(await join())
      const found = (await cluster.findGroupCoordinator()) as unknown as Broker & { joinGroup(): Promise<void> }
      void found.joinGroup().catch(() => {})
      await runtime.advance(1)
      return async (answer?: Error) => {
        socket.emit('data', ANSWER)
        answerJoin(answer)
        await runtime.advance(1)
      }
    },
    /** The group confirms kafkajs' heartbeats for so long. */
    async beats(ms: number) {
      for (let passed = 0; passed < ms; passed += 3_000) {
        events.emit('consumer.heartbeat', { payload: {} })
        await runtime.advance(3_000)
      }
    },
    deliver: (): Promise<void> =>
      eachBatch({
        batch: {
          topic: 'orders',
          partition: 0,
          fetchedOffset: '0',
          messages: [],
          highWatermark: '1',
          lastOffset: () => '0',
        },
        resolveOffset: () => {},
      }),
    async disconnect() {
      disconnected()
      await runtime.advance(1)
    },
  }
}

const REFUSED = Object.assign(new Error('loading'), { name: 'KafkaJSProtocolError', type: 'GROUP_LOAD_IN_PROGRESS' })

test('a member whose join was refused ends, whether or not kafkajs gives another sign of life: it forgets such a join, and would read nothing for ever', async () => {
  const { runtime, heard, asksToJoin, disconnect } = await setup()
  await runtime.advance(60_000)
  const answer = await asksToJoin()
  await answer(REFUSED)
  expect(heard).toEqual(['assigned', 'revoked'])
  await runtime.advance(12_000)
  await disconnect()
  expect(heard).toEqual(['assigned', 'revoked'])
  await runtime.advance(3_000)
  await disconnect()
  expect(heard).toEqual(['assigned', 'revoked', 'crash HOLDFAST_CONSUMER_CRASHED, retriable'])
})

test('a member that joins at last is not taken for one that forgot to, however often it had to ask', async () => {
  const { runtime, heard, asksToJoin, joined, disconnect } = await setup()
  for (let i = 0; i < 5; i++) {
    const answer = await asksToJoin()
    await answer(REFUSED)
    await runtime.advance(9_000)
  }
  await joined()
  await runtime.advance(60_000)
  await disconnect()
  expect(heard).toEqual(['assigned', 'revoked', 'assigned'])
})

test('a join that the group leaves unanswered for long is waited for: a leader may take its time, and the others their drains', async () => {
  const { runtime, heard, asksToJoin, beats, joined, disconnect } = await setup()
  const answer = await asksToJoin()
  await beats(55_000) // of another fetcher of kafkajs, while the group waits for its leader
  await answer()
  await joined()
  await runtime.advance(60_000)
  await disconnect()
  expect(heard).toEqual(['assigned', 'revoked', 'assigned'])
})

test('a heartbeat that nobody answers is given up after a third of the session, and the coordinator is looked up again', async () => {
  let hangs = true
  const { runtime, lookUps } = await setup({ heartbeat: () => (hangs ? new Promise(() => {}) : Promise.resolve()) })
  await runtime.advance(3_000)
  const before = lookUps()
  await runtime.advance(9_000)
  expect(lookUps()).toBe(before)
  hangs = false
  await runtime.advance(4_000)
  expect(lookUps()).toBe(before + 1)
})

test.each([
  [30_000, 500],
  [4_000, 500],
  [600, 300],
])(
  'with a request timeout of %i ms a fetch waits for data for %i ms: never not at all, which would be a hot loop',
  async (requestTimeout, expected) => {
    const { wire, written } = await setup({ config: { requestTimeout } })
    wire.write(
      await frame('fetch', 11, { replicaId: -1, maxWaitTime: 20, minBytes: 1, maxBytes: 1, topics: [], rackId: '' }),
    )
    const fetch = written.at(-1)!
    expect(fetch.readInt32BE(fetch.indexOf(Buffer.from('ffffffff', 'hex')) + 4)).toBe(expected)
  },
)

test("a user's `retry` for connections does not end a healthy consumer: kafkajs counts failures for weeks, and fewer than its own the adapter does not take", async () => {
  expect((await setup({ config: { retry: { retries: 3, maxRetryTime: 60_000 } } })).made.retry).toMatchObject({
    retries: 12,
    maxRetryTime: 2_000,
  })
  expect((await setup({ config: { retry: { retries: 40 } } })).made.retry).toMatchObject({ retries: 40 })
})

test('the core hears at once that its partitions are lost, and not only when kafkajs has left: nothing further may begin', async () => {
  const { heard, deliver, disconnect } = await setup({
    onBatch() {
      throw new Error('a bug of the core')
    },
  })
  await deliver()
  expect(heard).toEqual(['assigned', 'lost'])
  await disconnect()
  expect(heard.at(-1)).toMatch(/^crash HOLDFAST_CONSUMER_CRASHED/)
})

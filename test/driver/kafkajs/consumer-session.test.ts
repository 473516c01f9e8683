import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { ISocketFactory, KafkaConfig } from 'kafkajs'
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
async function setup(given: { readonly onBatch?: () => void } = {}) {
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
  const coordinator = {
    isConnected: () => true,
    heartbeat: async () => {},
    offsetFetch: async () => ({ responses: [] }),
  }
  const lookUp = async (): Promise<void> => {}
  const cluster = {
    findGroupCoordinator: async () => coordinator,
    fetchTopicsOffset: async () => [],
    refreshMetadata: lookUp,
    refreshMetadataIfNecessary: lookUp,
  }
  let factory!: ISocketFactory
  const socket = Object.assign(new EventEmitter(), { write: () => true, writable: true, resetAndDestroy: () => {} })
  const context = {
    config: { brokers: [], socketFactory: () => socket as unknown as Socket },
    newKafka: (overrides: Partial<KafkaConfig>) => {
      factory = overrides.socketFactory!
      return {
        consumer: ({ partitionAssigners: [assigner] }: { partitionAssigners: ((config: object) => void)[] }) => {
          assigner!({ cluster, groupId })
          return kafkajs
        },
      }
    },
  } as unknown as KafkajsContext
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
    /** kafkajs asks to join again; whatever answer it gets, it does not come through here. */
    async asksToJoin() {
      wire.write(await join())
      await runtime.advance(1)
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

test('a member that the group confirms while it has no assignment ends: kafkajs forgets a join that was refused, and would read nothing for ever', async () => {
  const { heard, asksToJoin, beats, disconnect } = await setup()
  await beats(60_000)
  await asksToJoin()
  expect(heard).toEqual(['assigned', 'revoked'])
  await beats(9_000)
  await disconnect()
  expect(heard).toEqual(['assigned', 'revoked'])
  await beats(6_000)
  await disconnect()
  expect(heard).toEqual(['assigned', 'revoked', 'crash HOLDFAST_CONSUMER_CRASHED, retriable'])
})

test('a member that joins at last is not taken for one that forgot to, however often it had to ask', async () => {
  const { heard, asksToJoin, beats, joined, disconnect } = await setup()
  await asksToJoin()
  for (let i = 0; i < 5; i++) {
    await beats(9_000)
    await asksToJoin()
  }
  await joined()
  await beats(60_000)
  await disconnect()
  expect(heard).toEqual(['assigned', 'revoked', 'assigned'])
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

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { KafkaConfig } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Services } from '../../helpers/services.ts'
import { startServices } from '../../helpers/services.ts'
import type { World } from './member.ts'
import { createMember, createWorld, numbers } from './member.ts'
import { watchSockets } from './watched-sockets.ts'

const run = promisify(execFile)
const PASSWORD = 'for-this-test-alone'

let folder: string
let services: Services
let tls: Required<Pick<KafkaConfig, 'brokers' | 'ssl'>> & { brokers: string[] }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
  const keyStore = join(folder, 'broker.p12')
  const common = ['-keystore', keyStore, '-storetype', 'PKCS12', '-storepass', PASSWORD, '-alias', 'broker']
  const identity = ['-keyalg', 'EC', '-dname', 'CN=holdfast test', '-ext', 'SAN=ip:127.0.0.1', '-validity', '2']
  await run('keytool', ['-genkeypair', ...common, ...identity])
  const { stdout: certificate } = await run('keytool', ['-exportcert', '-rfc', ...common])
  services = await startServices({ kafka: { tls: { keyStore, password: PASSWORD } } })
  tls = { brokers: [services.kafka!.nodes[0]!.tlsAddress!], ssl: { ca: [certificate] } }
})
afterAll(async () => {
  await services.close()
  await rm(folder, { recursive: true, force: true })
})

/** One member has read and is joined by another, which owns what was drained and committed; answers with what both read then. */
async function consumeAndRebalance(world: World, config: Partial<KafkaConfig>): Promise<string[]> {
  const { topic } = world
  await world.send(0, ...numbers(0, 5))
  await world.send(1, ...numbers(5, 10))
  const old = await createMember({
    ...world,
    topics: [topic],
    config,
    callbacks: {
      onRevoked: (partitions, epoch) =>
        old.consumer.commit(partitions.map((each) => ({ ...each, offset: 5n, epoch, metadata: 'drained' }))),
    },
  })
  await old.start()
  await old.until(() => old.records().length === 10)
  const next = await createMember({ ...world, topics: [topic], config })
  await next.start()
  await Promise.all([next.until(() => next.epoch() === 1), old.until(() => old.epoch() === 2)])
  expect([...old.owned(), ...next.owned()].map(({ committed }) => committed)).toEqual([
    { offset: 5n, metadata: 'drained' },
    { offset: 5n, metadata: 'drained' },
  ])
  await world.send(0, 'new 0')
  await world.send(1, 'new 1')
  await Promise.all([old.until(() => old.records().length === 11), next.until(() => next.records().length === 1)])
  return [...old.values().slice(10), ...next.values()].toSorted()
}

test("wraps a user's own socketFactory: its sockets carry everything, and partitions are still drained before they go", async () => {
  const sockets = watchSockets()
  const world = await createWorld({ partitions: 2 })
  const read = await consumeAndRebalance(world, { socketFactory: sockets.socketFactory })
  expect(read).toEqual(['new 0', 'new 1'])

  expect(sockets.made()).toBeGreaterThanOrEqual(4) // two members, each with a connection for fetches and one for the rest
  for (const request of ['fetch', 'joinGroup', 'syncGroup', 'heartbeat', 'offsetFetch', 'offsetCommit']) {
    expect(sockets.written).toContain(request)
  }
  expect(sockets.written.indexOf('offsetCommit')).toBeLessThan(sockets.written.lastIndexOf('joinGroup'))
})

test("consumes and rebalances over TLS, on the adapter's own sockets", async () => {
  const world = await createWorld({ partitions: 2, brokers: services.kafka!.brokers })
  expect(await consumeAndRebalance(world, tls)).toEqual(['new 0', 'new 1'])
})

test("consumes and rebalances over TLS, on sockets of the user's own", async () => {
  const sockets = watchSockets()
  const world = await createWorld({ partitions: 2, brokers: services.kafka!.brokers })
  const read = await consumeAndRebalance(world, { ...tls, socketFactory: sockets.socketFactory })
  expect(read).toEqual(['new 0', 'new 1'])
  expect(sockets.written.indexOf('offsetCommit')).toBeLessThan(sockets.written.lastIndexOf('joinGroup'))
})

test('says that a broker whose certificate nobody vouches for is not reached, and reads nothing', async () => {
  const world = await createWorld({ brokers: services.kafka!.brokers })
  const member = await createMember({
    ...world,
    topics: [world.topic],
    config: { brokers: tls.brokers, ssl: true, retry: { retries: 1, initialRetryTime: 10, maxRetryTime: 10 } },
  })
  await expect(member.start()).rejects.toMatchObject({ code: 'HOLDFAST_UNAVAILABLE' })
  expect(member.heard).toEqual([])
})

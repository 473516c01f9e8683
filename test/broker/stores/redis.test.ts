import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { RedisClient } from '../../../src/idempotency/redis/index.ts'
import { redisDedupeStore } from '../../../src/idempotency/redis/index.ts'
import { dedupeStoreConformance } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { fresh, realTime, startStores } from './world.ts'

let services: Services
let clustered: Services
let url: string
let clusterUrl: string
beforeAll(async () => {
  services = await startStores({ redis: true })
  clustered = await startStores({ redis: 'cluster' })
  url = services.redis!.url
  clusterUrl = clustered.redis!.url
})
afterAll(async () => {
  await services?.close()
  await clustered?.close()
})

interface Connected {
  readonly client: RedisClient
  close(): Promise<void>
}

const clients: Readonly<Record<string, () => Promise<Connected>>> = {
  async ioredis() {
    const client = new Redis(url)
    return { client, close: async () => client.disconnect() }
  },
  async 'node-redis'() {
    const client = createClient({ url })
    await client.connect()
    return { client, close: async () => client.destroy() }
  },
}

const clusterClients: typeof clients = {
  'ioredis, on a cluster': async () => {
    const { hostname: host, port } = new URL(clusterUrl)
    const client = new Cluster([{ host, port: Number(port) }])
    return { client, close: async () => client.disconnect() }
  },
  'node-redis, on a cluster': async () => {
    const client = createCluster({ rootNodes: [{ url: clusterUrl }] })
    await client.connect()
    return { client, close: async () => client.destroy() }
  },
}

for (const [name, connect] of Object.entries({ ...clients, ...clusterClients })) {
  dedupeStoreConformance({
    name: `the Redis store, through ${name}`,
    describe: describe.concurrent, // most of it is waiting for times to run out
    test,
    leaseMs: 400,
    ttlMs: 8_000,
    async create() {
      const [one, two] = [await connect(), await connect()]
      const options = { prefix: fresh('dedupe'), ttlMs: 8_000 }
      return {
        store: redisDedupeStore(one.client, options),
        otherStore: redisDedupeStore(two.client, options),
        ...realTime,
        async close() {
          await one.close()
          await two.close()
        },
      }
    },
  })
}

describe.each(Object.entries(clients))('through %s', (_, connect) => {
  test('a server that forgets scripts is brought them again, and nothing that it keeps lives for ever', async () => {
    const { client, close } = await connect()
    const admin = new Redis(url)
    const prefix = fresh('dedupe')
    const store = redisDedupeStore(client, { prefix, ttlMs: 60_000 })
    const first = await store.begin('a', { leaseMs: 1_000 })
    await admin.script('FLUSH')
    if (first.kind !== 'started') throw new Error(first.kind)
    await store.complete(first.token, 'handled')
    await store.begin('b', { leaseMs: 1_000 })
    const [done, leased] = await Promise.all(
      (await admin.keys(`${prefix}*`)).map(async (key) => [await admin.hexists(key, 'outcome'), await admin.pttl(key)]),
    ).then((lives) => lives.toSorted((a, b) => b[0]! - a[0]!).map(([, ms]) => ms!))
    expect(done).toBeGreaterThan(59_000)
    expect(done).toBeLessThanOrEqual(60_001)
    expect(leased).toBeGreaterThan(60_000)
    expect(leased).toBeLessThanOrEqual(61_000)
    admin.disconnect()
    await close()
  })

  test('a Redis that may throw keys away is refused at the start, unless that is wanted', async () => {
    const { client, close } = await connect()
    const admin = new Redis(url)
    const store = redisDedupeStore(client)
    await store.check!()
    await admin.config('SET', 'maxmemory', '100mb')
    await store.check!()
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    try {
      const refused = await failureOf(store.check!())
      expect(refused.code).toBe('HOLDFAST_CONFIG_INVALID')
      expect(refused.message).toContain('maxmemory-policy is allkeys-lru')
      await redisDedupeStore(client, { allowEviction: true }).check!()
    } finally {
      await admin.config('SET', 'maxmemory-policy', 'noeviction')
      await admin.config('SET', 'maxmemory', '0')
    }
    admin.disconnect()
    await close()
  })

  test('a user without the right to ask for that is taken as it is', async () => {
    const admin = new Redis(url)
    await admin.acl('SETUSER', 'narrow', 'on', 'nopass', '~*', '+@scripting', '+@hash', '+@keyspace', '+time', '-info')
    const narrow = new Redis(url, { username: 'narrow', password: 'any' })
    await expect(redisDedupeStore(narrow).check!()).resolves.toBeUndefined()
    narrow.disconnect()
    admin.disconnect()
  })
})

describe.each(Object.entries(clusterClients))('through %s', (_, connect) => {
  test('a cluster that may throw keys away is refused at the start, as a single server is', async () => {
    const { client, close } = await connect()
    const { hostname, port } = new URL(clusterUrl)
    const admin = new Redis(Number(port), hostname)
    const store = redisDedupeStore(client)
    await store.check!()
    await admin.config('SET', 'maxmemory', '100mb')
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    try {
      expect((await failureOf(store.check!())).code).toBe('HOLDFAST_CONFIG_INVALID')
    } finally {
      await admin.config('SET', 'maxmemory-policy', 'noeviction')
      await admin.config('SET', 'maxmemory', '0')
    }
    admin.disconnect()
    await close()
  })
})

test('a server that is out is said to be so, and what it said stays in the cause', async () => {
  const own = await startStores({ redis: true })
  const client = new Redis(own.redis!.url, { maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  const store = redisDedupeStore(client)
  const begun = await store.begin('a', { leaseMs: 1_000 })
  await own.close()
  if (begun.kind !== 'started') throw new Error(begun.kind)
  const calls: readonly (() => unknown)[] = [
    () => store.begin('b', { leaseMs: 1_000 }),
    () => store.complete(begun.token, 'handled'),
    () => store.renew(begun.token, 1_000),
    () => store.abandon(begun.token),
  ]
  for (const call of calls) {
    const failure = await failureOf((async () => call())())
    expect(failure).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true })
    expect(failure.cause).toBeInstanceOf(Error)
  }
  client.disconnect()
})

test('what is no client and what is no option is refused, all at once', () => {
  const make = (): unknown => redisDedupeStore({} as RedisClient, { ttlMs: 0, ttl: 5 } as object)
  expect(make).toThrow(/client: .*\n.*ttlMs: .*\n.*ttl: is not an option/)
})

import { Redis } from 'ioredis'
import pg from 'pg'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { DistributedLock, HeldLock } from '../../../src/idempotency/index.ts'
import { postgresLock, postgresLockSql } from '../../../src/idempotency/postgres/index.ts'
import { redisLock } from '../../../src/idempotency/redis/index.ts'
import { distributedLockConformance } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { silentProxy } from '../../helpers/silent-proxy.ts'
import { everyThreadStopped } from '../../helpers/stopped-process.ts'
import { startLockWorker } from './lock-worker-process.ts'
import { fresh, realTime, startStores } from './world.ts'

let services: Services
let pool: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true, redis: true })
  pool = new pg.Pool({ connectionString: services.postgres!.url })
  await pool.query(postgresLockSql({}))
})
afterAll(async () => {
  await pool?.end()
  await services.close()
})

/** A process's way to a lock: by its server's address, and a place of its own on it. */
type Connect = (url: string, place: string) => Promise<{ readonly lock: DistributedLock; close(): unknown }>

const kinds: Readonly<Record<string, { readonly server: 'redis' | 'postgres'; readonly connect: Connect }>> = {
  ioredis: {
    server: 'redis',
    async connect(url, prefix) {
      const client = new Redis(url)
      client.on('error', () => {})
      return { lock: redisLock(client, { prefix }), close: () => client.disconnect() }
    },
  },
  'node-redis': {
    server: 'redis',
    async connect(url, prefix) {
      const client = createClient({ url })
      client.on('error', () => {})
      await client.connect()
      return { lock: redisLock(client, { prefix }), close: () => client.destroy() }
    },
  },
  postgres: {
    server: 'postgres',
    async connect(url, sequence) {
      await pool.query(postgresLockSql({ sequence }))
      const own = new pg.Pool({ connectionString: url })
      own.on('error', () => {})
      return { lock: postgresLock(own, { sequence }), close: () => own.end() }
    },
  },
}

for (const [kind, { server, connect }] of Object.entries(kinds)) {
  distributedLockConformance({
    name: `a lock on ${server}, through ${kind}`,
    describe,
    test,
    leaseMs: 600,
    async create() {
      const url = services[server]!.url
      const proxy = await silentProxy(url)
      const place = fresh('lock')
      const [near, far] = [await connect(proxy.url, place), await connect(url, place)]
      return {
        lock: near.lock,
        otherLock: far.lock,
        tick: realTime.tick,
        cutOff: () => proxy.silence(),
        async close() {
          await proxy.close()
          await near.close()
          await far.close()
        },
      }
    },
  })
}

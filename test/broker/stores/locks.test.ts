import { Cluster, Redis } from 'ioredis'
import pg from 'pg'
import { createClient, createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { DistributedLock, HeldLock } from '../../../src/idempotency/index.ts'
import { postgresLock, postgresLockSql } from '../../../src/postgres.ts'
import { redisLock } from '../../../src/idempotency/redis/index.ts'
import { distributedLockConformance } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { silentProxy } from '../../helpers/silent-proxy.ts'
import { everyThreadStopped } from '../../helpers/stopped-process.ts'
import { startLockWorker } from './lock-worker-process.ts'
import { fresh, realTime, startStores } from './world.ts'

let services: Services
let clustered: Services
let pool: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true, redis: true })
  clustered = await startStores({ redis: 'cluster' })
  pool = new pg.Pool({ connectionString: services.postgres!.url })
  await pool.query(postgresLockSql({}))
})
afterAll(async () => {
  await pool?.end()
  await services?.close()
  await clustered?.close()
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

/** On a cluster a client finds its nodes by the addresses that they give: it is told the proxy's in their place. */
const clusters: Readonly<Record<string, Connect>> = {
  async 'ioredis, on a cluster'(url, prefix) {
    const [proxy, node] = [new URL(url), new URL(clustered.redis!.url)]
    const at = { host: proxy.hostname, port: Number(proxy.port) }
    const client = new Cluster([at], { natMap: { [node.host]: at } })
    client.on('error', () => {})
    return { lock: redisLock(client, { prefix }), close: () => client.disconnect() }
  },
  async 'node-redis, on a cluster'(url, prefix) {
    const [proxy, node] = [new URL(url), new URL(clustered.redis!.url)]
    const at = { host: proxy.hostname, port: Number(proxy.port) }
    const client = createCluster({ rootNodes: [{ url }], nodeAddressMap: { [node.host]: at } })
    client.on('error', () => {})
    await client.connect()
    return { lock: redisLock(client, { prefix }), close: () => client.destroy() }
  },
}

const subjects: ReadonlyArray<readonly [kind: string, url: () => string, connect: Connect]> = [
  ...Object.entries(kinds).map(([kind, { server, connect }]) => [kind, () => services[server]!.url, connect] as const),
  ...Object.entries(clusters).map(([kind, connect]) => [kind, () => clustered.redis!.url, connect] as const),
]

for (const [kind, urlOf, connect] of subjects) {
  distributedLockConformance({
    name: `a lock through ${kind}`,
    describe,
    test,
    leaseMs: 600,
    async create() {
      const url = urlOf()
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

describe.each(Object.entries(kinds))('a lock through %s', (_, { server, connect }) => {
  const LEASE_MS = 1_000

  /** A worker that holds the lock, a lock of this process beside it, and a resource with a fence. */
  async function world() {
    const [place, resource] = [fresh('lock'), fresh('resource')]
    await pool.query(`create table ${resource} (by text, fence bigint not null)`)
    await pool.query(`insert into ${resource} values ('nobody', 0)`)
    const own = await connect(services[server]!.url, place)
    onTestFinished(async () => void (await own.close()))
    const worker = await startLockWorker({
      ...(server === 'redis' && { REDIS_AT: services.redis!.url }),
      POSTGRES_AT: services.postgres!.url,
      PLACE: place,
      RESOURCE: resource,
      LEASE_MS: String(LEASE_MS),
    })
    const successor = async (): Promise<HeldLock> => {
      const held = await own.lock.acquire('the resource', { leaseMs: LEASE_MS, waitMs: 20_000 })
      if (held.kind === 'busy') throw new Error('busy')
      return held
    }
    const write = async (token: bigint): Promise<number | null> =>
      (await pool.query(`update ${resource} set by = 'successor', fence = $1 where fence <= $1`, [String(token)]))
        .rowCount
    const written = async (): Promise<unknown> => (await pool.query(`select by, fence from ${resource}`)).rows[0]
    return { worker, lock: own.lock, successor, write, written }
  }

  test('SIGKILL of the holder: the next one has the lock once the lease has ended at the latest, with a greater token', async () => {
    const { worker, lock, successor } = await world()
    expect((await lock.acquire('the resource')).kind).toBe('busy')
    worker.process.kill('SIGKILL')
    await worker.gone
    const killedAt = performance.now()
    const held = await successor()
    expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + 2_000)
    expect(held.token).toBeGreaterThan(worker.token)
    await held.release()
  })

  test('SIGSTOP of the holder beyond its lease: the zombie hears that its lock is lost, and the fence refuses what it writes', async () => {
    const { worker, successor, write, written } = await world()
    expect(await worker.write()).toBe(1)
    worker.process.kill('SIGSTOP')
    await everyThreadStopped(worker.pid)
    const held = await successor()
    expect(held.token).toBeGreaterThan(worker.token)
    expect(await write(held.token)).toBe(1)
    worker.process.kill('SIGCONT')
    await worker.lost
    expect(await worker.write()).toBe(0)
    expect(await written()).toEqual({ by: 'successor', fence: String(held.token) })
    expect(held.signal.aborted).toBe(false)
    await held.release()
  })

  test('a server that is killed while the lock is held: its holder is told, within the time of its lease', async () => {
    const own = await startStores({ [server]: true })
    onTestFinished(() => own.close())
    const { lock, close } =
      server === 'redis' ? await connect(own.redis!.url, fresh('lock')) : await onOwnPostgres(own.postgres!.url)
    const held = await lock.acquire('report', { leaseMs: LEASE_MS })
    if (held.kind === 'busy') throw new Error('busy')
    const told = new Promise<void>((resolve) => held.signal.addEventListener('abort', () => resolve()))
    const killedAt = performance.now()
    await own.close()
    await told
    expect(performance.now() - killedAt).toBeLessThan(2 * LEASE_MS)
    expect(held.signal.reason).toMatchObject({ code: 'HOLDFAST_LOCK_LOST' })
    await held.release()
    const failure = await failureOf(lock.acquire('report', { leaseMs: LEASE_MS }))
    expect(failure).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true })
    await close()
  })
})

async function onOwnPostgres(url: string): Promise<{ readonly lock: DistributedLock; close(): Promise<void> }> {
  const own = new pg.Pool({ connectionString: url })
  own.on('error', () => {})
  await own.query(postgresLockSql({}))
  return { lock: postgresLock(own), close: () => own.end() }
}

describe('on Redis', () => {
  test('a token that the server has forgotten is not given again: what comes after is greater', async () => {
    const client = new Redis(services.redis!.url)
    onTestFinished(() => client.disconnect())
    const prefix = fresh('lock')
    const lock = redisLock(client, { prefix })
    const one = await acquired(lock)
    await one.release()
    const keys = await client.keys(`${prefix}*`)
    expect(keys).toHaveLength(1)
    expect(await client.pttl(keys[0]!)).toBeGreaterThan(86_400_000)
    await client.del(keys)
    const two = await acquired(lock)
    expect(two.token).toBeGreaterThan(one.token)
    await two.release()
  })

  test('a holder whose key is gone is told by its next renewal, and frees nothing that has come since', async () => {
    const client = new Redis(services.redis!.url)
    onTestFinished(() => client.disconnect())
    const prefix = fresh('lock')
    const lock = redisLock(client, { prefix })
    const one = await acquired(lock, 600)
    const told = new Promise<void>((resolve) => one.signal.addEventListener('abort', () => resolve()))
    await client.del(await client.keys(`${prefix}*`))
    const two = await acquired(lock)
    await told
    await one.release()
    expect((await lock.acquire('report')).kind).toBe('busy')
    await two.release()
  })

  test('one that may throw keys away is refused by the check, and what is no client at once', async () => {
    const client = new Redis(services.redis!.url)
    onTestFinished(() => client.disconnect())
    await redisLock(client).check()
    await client.config('SET', 'maxmemory', '100mb')
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    try {
      const refused = await failureOf(redisLock(client).check())
      expect(refused.message).toContain('a full Redis would forget who has a lock')
      await redisLock(client, { allowEviction: true }).check()
    } finally {
      await client.config('SET', 'maxmemory-policy', 'noeviction')
      await client.config('SET', 'maxmemory', '0')
    }
    expect(() => redisLock({} as Redis, { prefx: 'x' } as object)).toThrow(/client: .*\n.*prefx: is not an option/)
  })
})

describe('on PostgreSQL', () => {
  test('a connection that breaks is a lock that is lost, at once', async () => {
    const lock = postgresLock(pool)
    const held = await acquired(lock, 600_000)
    const told = new Promise<void>((resolve) => held.signal.addEventListener('abort', () => resolve()))
    await pool.query(
      `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()`,
    )
    await told
    expect(held.signal.reason).toMatchObject({ code: 'HOLDFAST_LOCK_LOST' })
    await held.release()
  })

  test('a lock takes one connection, holds no transaction open, and leaves its connection as it found it', async () => {
    const own = new pg.Pool({
      connectionString: services.postgres!.url,
      max: 2,
      options: '-c idle_session_timeout=123000',
    })
    onTestFinished(() => own.end())
    const lock = postgresLock(own)
    const held = await acquired(lock)
    const waiting = lock.acquire('report', { waitMs: 300 }).catch((error: unknown) => error)
    const other = `select count(*)::int as n from pg_stat_activity where pid <> pg_backend_pid() and state like 'idle in transaction%'`
    for (let i = 0; i < 5; i++) expect((await pool.query(other)).rows).toEqual([{ n: 0 }])
    expect(await waiting).toMatchObject({ code: 'HOLDFAST_LOCK_TIMEOUT' })
    expect([own.totalCount - own.idleCount, own.totalCount]).toEqual([1, 2])
    await held.release()
    expect([own.idleCount, own.totalCount]).toEqual([2, 2])
    const found = `select current_setting('idle_session_timeout') as timeout,
      (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`
    const both = await Promise.all([own.query(found), own.query(found)])
    expect(both.map(({ rows }) => rows[0])).toEqual(Array(2).fill({ timeout: '123s', locks: 0 }))
  })

  test('a lock of which the session knows nothing is lost: as when a pooler has put another session in its place', async () => {
    const lock = postgresLock(pool)
    const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>
    const clients: pg.PoolClient[] = []
    const watched = {
      async connect() {
        const client = await connect()
        clients.push(client)
        return client
      },
      query: pool.query.bind(pool),
    }
    const held = await acquired(postgresLock(watched as never), 300)
    const told = new Promise<void>((resolve) => held.signal.addEventListener('abort', () => resolve()))
    await clients[0]!.query('select pg_advisory_unlock_all()')
    await told
    expect(held.signal.reason).toMatchObject({ code: 'HOLDFAST_LOCK_LOST' })
    await (await acquired(lock)).release()
  })

  test('a connection that leads to a pooler is refused, unless it is said to keep sessions', async () => {
    const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>
    const pooled = {
      async connect() {
        const client = await connect()
        // What a pooler tells when a session begins is a number of its own.
        return new Proxy(client, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name)
            if (name === 'processID') return 1
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      },
      query: pool.query.bind(pool),
    } as never
    const refused = await failureOf(postgresLock(pooled).acquire('report'))
    expect(refused).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
    expect(refused.message).toContain('pool_mode = transaction')
    expect((await failureOf(postgresLock(pooled).check())).code).toBe('HOLDFAST_CONFIG_INVALID')
    await postgresLock(pooled, { allowPooler: true }).check()
    await (await acquired(postgresLock(pooled, { allowPooler: true }))).release()
    await (await acquired(postgresLock(pool))).release() // the one that was refused has left nothing locked
  })

  test('a sequence that is not there, or hands out more than one at a time, is told with what makes it', async () => {
    const nowhere = postgresLock(pool, { sequence: 'nowhere' })
    expect((await failureOf(nowhere.check())).message).toContain('"public"."nowhere" is not there')
    expect(await failureOf(nowhere.acquire('report'))).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE' })
    const sequence = fresh('cached')
    await pool.query(`create sequence ${sequence} cache 20`)
    expect((await failureOf(postgresLock(pool, { sequence }).check())).message).toContain('must have cache 1')
    const where = { schema: `it's "so" ${fresh('s')}`, sequence: 'Ünï"; drop table x; --' }
    await pool.query(`create schema "${where.schema.replaceAll('"', '""')}"`)
    await pool.query(postgresLockSql(where))
    await pool.query(postgresLockSql(where))
    await postgresLock(pool, where).check()
    await (await acquired(postgresLock(pool, where))).release()
    expect(() => postgresLock({} as pg.Pool, { sequence: '', seq: 'x' } as object)).toThrow(
      /pool: .*\n.*sequence: .*\n.*seq: is not an option/,
    )
  })
})

async function acquired(lock: DistributedLock, leaseMs = 5_000): Promise<HeldLock> {
  const held = await lock.acquire('report', { leaseMs })
  if (held.kind === 'busy') throw new Error('busy')
  return held
}

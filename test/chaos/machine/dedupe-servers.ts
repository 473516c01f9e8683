import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import type {
  PostgresServer,
  PostgresSettings,
  Progress,
  RedisServer,
  RedisSettings,
  TcpProxy,
} from '../../../scripts/services/index.ts'
import { startPostgresServer, startRedisServer, startTcpProxy } from '../../../scripts/services/index.ts'
import type { Isolation } from '../../../src/postgres.ts'
import { postgresDedupeSql } from '../../../src/postgres.ts'
import type { Contention, DedupeConfig } from '../worker/index.ts'
import { CONTENTION_TABLE, EFFECT_TABLES } from '../worker/index.ts'

/** By what a scenario's members recognise duplicates, and how the server of it is set up. */
export type DedupePlan =
  | { readonly kind: 'none' | 'memory' }
  | {
      readonly kind: 'redis'
      readonly leaseMs: number
      readonly settings?: RedisSettings
      /** With a second server that copies the first. */
      readonly replica?: boolean
    }
  | { readonly kind: 'postgres'; readonly leaseMs: number; readonly settings?: PostgresSettings }
  | {
      readonly kind: 'inbox'
      readonly isolation?: Isolation
      readonly contention?: Contention
      readonly settings?: PostgresSettings
    }

/** What a scenario has for its plan: servers of its own, since the judge's database is never under fault. */
export interface DedupeServers {
  /** What members are told. */
  readonly told: DedupeConfig
  readonly redis?: RedisOfScenario
  readonly postgres?: PostgresOfScenario
  close(): Promise<void>
}

/** Members reach it through the proxy, the nemesis past it. */
export interface RedisOfScenario {
  readonly server: RedisServer
  readonly replica?: RedisServer
  readonly proxy: TcpProxy
  /** Between the replica and what it copies. */
  readonly replication?: TcpProxy
}

/** Members reach it through the proxy, the nemesis past it. With an inbox the effects are here too. */
export interface PostgresOfScenario {
  readonly server: PostgresServer
  readonly proxy: TcpProxy
  readonly database: pg.Pool
}

/** Starts {@link DedupeServers}. */
export async function startDedupeServers(plan: DedupePlan, progress: Progress): Promise<DedupeServers> {
  const closers: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).toReversed()) await each()
  }
  const keep = <T extends { close(): Promise<void> }>(opened: T): T => {
    closers.push(() => opened.close())
    return opened
  }
  try {
    switch (plan.kind) {
      case 'none':
      case 'memory':
        return { told: { kind: plan.kind }, close }
      case 'redis': {
        const server = keep(await startRedisServer(progress, plan.settings))
        const proxy = keep(await startTcpProxy(server.port))
        const told = { kind: 'redis', leaseMs: plan.leaseMs, url: throughProxy(server.url, proxy) } as const
        if (plan.replica !== true) return { told, redis: { server, proxy }, close }
        const replication = keep(await startTcpProxy(server.port))
        const replica = keep(await startRedisServer(progress, plan.settings))
        await askRedis(server, 'config', 'set', 'repl-diskless-sync-delay', '0')
        await askRedis(replica, 'replicaof', '127.0.0.1', String(replication.port))
        while (!(await askRedis(replica, 'info', 'replication')).includes('master_link_status:up')) await sleep(50)
        return { told, redis: { server, proxy, replica, replication }, close }
      }
      case 'postgres':
      case 'inbox': {
        const server = keep(await startPostgresServer(progress, plan.settings))
        const proxy = keep(await startTcpProxy(server.port))
        const database = new pg.Pool({ connectionString: server.url, max: 4 })
        database.on('error', () => undefined)
        closers.push(() => database.end())
        await database.query(`${EFFECT_TABLES} ${postgresDedupeSql({})} ${CONTENTION_TABLE}`)
        const url = throughProxy(server.url, proxy)
        return { told: toldOf(plan, url), postgres: { server, proxy, database }, close }
      }
    }
  } catch (error) {
    await close()
    throw error
  }
}

function toldOf(plan: Extract<DedupePlan, { readonly kind: 'postgres' | 'inbox' }>, url: string): DedupeConfig {
  if (plan.kind === 'postgres') return { kind: plan.kind, url, leaseMs: plan.leaseMs }
  const { isolation, contention } = plan
  return {
    kind: plan.kind,
    url,
    ...(isolation === undefined ? {} : { isolation }),
    ...(contention === undefined ? {} : { contention }),
  }
}

/** Asks a server past its proxy, on a connection for this alone. */
export async function askRedis(server: RedisServer, command: string, ...args: string[]): Promise<string> {
  const client = new Redis(server.url, { lazyConnect: true, enableReadyCheck: false, maxRetriesPerRequest: 0 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return String(await client.call(command, ...args))
  } finally {
    client.disconnect()
  }
}

/** The same server, past its proxy. */
export function throughProxy(url: string, { port }: TcpProxy): string {
  const through = new URL(url)
  through.port = String(port)
  return through.href
}

// A process that takes a lock, says what becomes of it, and writes to a resource with its token when it is told to.
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { DistributedLock } from '../../../src/idempotency/index.ts'
import { postgresLock } from '../../../src/postgres.ts'
import { redisLock } from '../../../src/idempotency/redis/index.ts'

const { REDIS_AT, POSTGRES_AT, PLACE, RESOURCE, LEASE_MS } = process.env
const say = (text: string): void => void writeSync(1, `${text}\n`)

const pool = new pg.Pool({ connectionString: POSTGRES_AT! })
pool.on('error', () => {})
const lock: DistributedLock =
  REDIS_AT === undefined ? postgresLock(pool, { sequence: PLACE! }) : redisLock(new Redis(REDIS_AT), { prefix: PLACE! })
const held = await lock.acquire('the resource', { leaseMs: Number(LEASE_MS) })
if (held.kind === 'busy') throw new Error('busy')
held.signal.addEventListener('abort', () => say('lost'))
say(`token ${held.token}`)

const lines = createInterface({ input: process.stdin })
lines.on('line', () => void write())
await once(lines, 'close')

async function write(): Promise<void> {
  const update = `update ${RESOURCE!} set by = 'worker', fence = $1 where fence <= $1`
  say(`wrote ${(await pool.query(update, [String(held.kind === 'acquired' ? held.token : 0n)])).rowCount}`)
}

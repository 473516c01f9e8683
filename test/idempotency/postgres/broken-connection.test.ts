import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { postgresInbox, postgresLock } from '../../../src/postgres.ts'
import { failureOf } from '../../helpers/failure-of.ts'

const READY = 'R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I'
const ENDED = packet('E', 'SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')

/** Takes everybody in, and ends the connection in the same breath: an operator was quick, or this process slow. */
async function startServer(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(Buffer.from(READY + ENDED, 'latin1')))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

function packet(kind: string, text: string): string {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + text.length)
  return kind + length.toString('latin1') + text
}

/** A pool of that server, and the errors of its clients that nobody has heard: Node would end the process for each. */
async function poolOf(port: number): Promise<{ readonly pool: pg.Pool; readonly unheard: readonly unknown[] }> {
  const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'u', database: 'd' })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  const unheard: unknown[] = []
  pool.on('connect', (client) => {
    const emit = client.emit.bind(client) as (name: string, ...values: unknown[]) => boolean
    client.emit = ((name: string, ...values: unknown[]) => {
      if (name !== 'error' || client.listenerCount('error') > 0) return emit(name, ...values)
      unheard.push(...values)
      return false
    }) as typeof client.emit
  })
  return { pool, unheard }
}

const call = { messages: [{ id: 'm', token: 'one' }], signal: new AbortController().signal, idleTimeoutMs: 1_000 }

test.each<[string, (pool: pg.Pool) => Promise<unknown>]>([
  ['an inbox', (pool) => postgresInbox(pool).handle(call, async () => ({ commit: true, value: null }))],
  ['a lock', (pool) => postgresLock(pool).acquire('name')],
])(
  'a connection that ends in the moment in which the pool gives it to %s is an outage, and does not end the process',
  async (_, use) => {
    const { pool, unheard } = await poolOf(await startServer())
    expect(await failureOf(use(pool))).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true })
    expect(unheard).toEqual([])
  },
)

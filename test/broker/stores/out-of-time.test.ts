import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { InboxCall } from '../../../src/idempotency/index.ts'
import { postgresDedupeSql } from '../../../src/postgres.ts'
import { createInbox } from '../../../src/idempotency/postgres/postgres-inbox.ts'
import type { Query, Transactions } from '../../../src/database/index.ts'
import { fresh, startStores } from './world.ts'

let services: Services
let pool: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  pool = new pg.Pool({ connectionString: services.postgres!.url })
})
afterAll(async () => {
  await pool?.end()
  await services.close()
})

const call = (id: string, signal = new AbortController().signal): InboxCall => ({
  messages: [{ id, token: id }],
  signal,
  idleTimeoutMs: 60_000,
})

test.each(['cancel', 'terminate'] as const)(
  'what ends a transaction whose handler was out of time (%s) comes too late for it, and leaves the next one on its connection alone',
  async (outOfTime) => {
    const table = fresh('inbox')
    await pool.query(postgresDedupeSql({ table }))
    const client = await pool.connect() // the one connection of both transactions
    const other = await pool.connect()
    onTestFinished(() => [client, other].forEach((each) => each.release(true)))
    const queryOf =
      (on: pg.ClientBase): Query =>
      async (statement, values) =>
        (await on.query(statement, [...values])).rows
    let release!: () => void
    const late = new Promise<void>((resolve) => (release = resolve))
    const ended: Promise<unknown>[] = []
    const database: Transactions<pg.ClientBase> = {
      async transact(work) {
        await client.query('begin')
        try {
          const value = await work(client, queryOf(client))
          await client.query('commit')
          return value
        } catch (error) {
          await client.query('rollback')
          throw error
        }
      },
      query(statement, values) {
        const answer = late.then(() => queryOf(other)(statement, values))
        ended.push(answer)
        return answer
      },
      outOfTime,
      maxConnections: null,
    }
    const inbox = createInbox(database, { table, purgeEveryMs: false })

    const timeout = new AbortController()
    const first = inbox.handle(call('first', timeout.signal), async () => {
      timeout.abort(new Error('out of time'))
      throw new Error('it has seen its signal')
    })
    await expect(first).rejects.toThrow('it has seen its signal')

    await other.query('select pg_advisory_lock(1)')
    const second = inbox.handle(call('second'), async (tx) => {
      const waits = tx.query('select pg_advisory_xact_lock(1)')
      release()
      await Promise.all(ended)
      await other.query('select pg_advisory_unlock(1)')
      await waits
      return { commit: true, value: 'kept' }
    })
    expect(await second).toMatchObject({ kind: 'committed', value: 'kept' })
    expect(ended).toHaveLength(1)
  },
)

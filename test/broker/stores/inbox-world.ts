import pg from 'pg'
import { expect } from 'vitest'
import type { Inbox } from '../../../src/idempotency/index.ts'
import { postgresDedupeSql } from '../../../src/postgres.ts'
import type { InboxWorld } from '../../../src/testing/index.ts'
import { fresh } from './world.ts'

/** An inbox on a client of its own, and a way to run a statement in its transactions. */
export interface Subject {
  readonly inbox: Inbox<unknown>
  run(tx: unknown, statement: string): Promise<unknown>
  close(): Promise<unknown>
}

/** A pool whose clients may break: pg ends a process that nobody listens in. */
export function breakablePool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString })
  pool.on('connect', (client) => client.on('error', () => {}))
  pool.on('error', () => {})
  return pool
}

/** What the suite needs of an inbox on PostgreSQL: two processes with one table, and effects beside it. @param admin - looks on, and ends backends */
export async function inboxWorld(admin: pg.Pool, make: (table: string) => Subject): Promise<InboxWorld> {
  const [table, effects] = [fresh('inbox'), fresh('effects')]
  await admin.query(postgresDedupeSql({ table }))
  await admin.query(`create table ${effects} (id text)`)
  const [one, two] = [make(table), make(table)]
  const activity = async (where: string): Promise<number> =>
    (await admin.query(`select 1 from pg_stat_activity where datname = current_database() and ${where}`)).rows.length
  return {
    inbox: one.inbox,
    otherInbox: two.inbox,
    write: (tx, effect) => one.run(tx, `insert into ${effects} values ('${effect.replaceAll("'", "''")}')`),
    written: async () =>
      (await admin.query<{ id: string }>(`select id from ${effects} order by id collate "C"`)).rows.map(({ id }) => id),
    async breakConnection(tx) {
      const [{ pid }] = rowsOf(await one.run(tx, 'select pg_backend_pid() as pid')) as [{ readonly pid: number }]
      await admin.query('select pg_terminate_backend($1)', [pid])
      await expect.poll(() => activity(`pid = ${pid}`), { timeout: 10_000, interval: 10 }).toBe(0)
    },
    async untilOneWaits() {
      await expect.poll(() => activity(`wait_event_type = 'Lock'`), { timeout: 10_000, interval: 10 }).toBe(1)
    },
    async close() {
      await two.inbox.close()
      await Promise.all([one.close(), two.close()])
    },
  }
}

function rowsOf(answer: unknown): unknown[] {
  return Array.isArray(answer) ? answer : (answer as { readonly rows: unknown[] }).rows
}

import pg from 'pg'
import type { PostgresServer, Progress, TcpProxy } from '../../../scripts/services/index.ts'
import { startPostgresServer, startTcpProxy } from '../../../scripts/services/index.ts'
import { postgresOutboxSql } from '../../../src/postgres.ts'
import type { OutboxData } from '../checker/index.ts'
import { JUDGE_TABLES } from '../worker/index.ts'
import { throughProxy } from './dedupe-servers.ts'

/** A PostgreSQL of the scenario's own, with an outbox in it, and what was committed beside. */
export interface OutboxServer {
  readonly server: PostgresServer
  /** Workers reach it through this; the nemesis, and the judge, past it. */
  readonly proxy: TcpProxy
  readonly database: pg.Pool
  /** What workers are told. */
  readonly url: string
  /** How many rows wait to be sent. */
  waiting(): Promise<number>
  /** The last row id that was drawn. */
  lastRowId(): Promise<bigint>
  /** How many rows wait up to a row id. */
  waitingUpTo(rowId: bigint): Promise<number>
  committed(): Promise<number>
  /** What the database has when all is over. */
  read(): Promise<Omit<OutboxData, 'records'>>
  close(): Promise<void>
}

/** Starts an {@link OutboxServer}. */
export async function startOutboxServer(progress: Progress): Promise<OutboxServer> {
  const server = await startPostgresServer(progress)
  const proxy = await startTcpProxy(server.port)
  const database = new pg.Pool({ connectionString: server.url, max: 4 })
  database.on('error', () => undefined)
  const close = async (): Promise<void> => {
    await database.end()
    await proxy.close()
    await server.close()
  }
  const count = async (what: string): Promise<number> => {
    const { rows } = await database.query<{ count: number }>(`select count(*)::integer as count from ${what}`)
    return rows[0]!.count
  }
  try {
    await database.query(`${postgresOutboxSql()} ${JUDGE_TABLES}`)
  } catch (error) {
    await close()
    throw error
  }
  return {
    server,
    proxy,
    database,
    url: throughProxy(server.url, proxy),
    waiting: () => count('holdfast_outbox where bucket >= 0'),
    async lastRowId() {
      const { rows } = await database.query<{ id: string }>('select last_value::text as id from holdfast_outbox_id')
      return BigInt(rows[0]!.id)
    },
    waitingUpTo: (rowId) => count(`holdfast_outbox where bucket >= 0 and id <= ${rowId}`),
    committed: () => count('chaos_messages'),
    async read() {
      const [rows, left] = await Promise.all([
        database.query<{ id: string; key: string; seq: string }>('select id, key, seq from chaos_messages'),
        database.query<{ id: string; aside: boolean }>(
          'select message_id as id, bucket < 0 as aside from holdfast_outbox',
        ),
      ])
      return {
        rows: rows.rows.map(({ id, key, seq }) => ({ id, key, seq: Number(seq) })),
        left: left.rows.map(({ id, aside }) => ({ id, isSetAside: aside })),
      }
    },
    close,
  }
}

import pg from 'pg'

let made = 0

/** A database of its own on the server: its name and its address. */
export interface BenchDatabase {
  readonly name: string
  readonly url: string
  /** How many transactions were committed in it, by the server's statistics, which may come a second late. Asking adds none. */
  commits(): Promise<number>
  /** Runs a statement on a connection that is there for that alone. */
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>
  close(): Promise<void>
}

/** Makes one; it goes with `close`. What holds up vacuum in one database does not hold it up in another. */
export async function createDatabase(server: string): Promise<BenchDatabase> {
  const name = `bench_${process.pid}_${made++}`
  await once(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const client = new pg.Client({ connectionString: url.href })
  client.on('error', () => undefined)
  await client.connect()
  return {
    name,
    url: url.href,
    async commits() {
      const rows = await once(server, `select xact_commit from pg_stat_database where datname = '${name}'`)
      return Number((rows[0] as { readonly xact_commit: string }).xact_commit)
    },
    query: async (text, values) => (await client.query(text, values === undefined ? undefined : [...values])).rows,
    async close() {
      await client.end()
      await once(server, `drop database if exists ${name} with (force)`)
    },
  }
}

async function once(server: string, statement: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

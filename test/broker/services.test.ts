import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { DURABLE_REDIS, startPostgresServer, startRedisServer } from '../../scripts/services/index.ts'
import { findPostgres } from '../../scripts/services/postgres-binaries.ts'
import { API_KEYS } from '../helpers/kafka-proxy.ts'
import { startServices, uniqueName } from '../helpers/services.ts'

const run = promisify(execFile)
const START_MS = 90_000
const GONE = { timeout: 15_000, interval: 50 }
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

describe('what was started never outlives its launcher', () => {
  test('a launcher killed by SIGKILL leaves no server and no folder behind', { timeout: START_MS }, async () => {
    const { launcher, line, folder } = await launch(['test/scripts/fixtures/launcher.ts'])
    const started = JSON.parse(line) as { kafkaPid: number; kafka: string; postgres: string; redis: string }
    expect(await isRunning(started.kafkaPid)).toBe(true)

    launcher.kill('SIGKILL')
    await vi.waitFor(async () => expect(await isRunning(started.kafkaPid)).toBe(false), GONE)
    for (const url of [`tcp://${started.kafka}`, started.postgres, started.redis]) {
      await vi.waitFor(async () => expect(await isListening(Number(new URL(url).port))).toBe(false), GONE)
    }
    await vi.waitFor(async () => expect(await serverFolders(folder)).toEqual([]), GONE)
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'npm run broker stops its servers on %s and ends with 0',
    { timeout: START_MS },
    async (signal) => {
      const { launcher, line, folder } = await launch(['scripts/broker.ts', '--redis', '--json'], {
        KAFKA_BROKERS: 'k:1',
      })
      const { brokers, redis } = JSON.parse(line) as { brokers: string[]; redis: string }
      expect(brokers).toEqual(['k:1'])

      launcher.kill(signal)
      expect(await once(launcher, 'exit')).toEqual([0, null])
      expect(await isListening(Number(new URL(redis).port))).toBe(false)
      expect(await serverFolders(folder)).toEqual([])
    },
  )

  test(
    'npm run broker stops when its caller is killed by SIGKILL, although it lives on itself',
    { timeout: START_MS },
    async () => {
      // The caller hands its own output to the broker, so that the line arrives here.
      const caller = `require('child_process').spawn(process.execPath, process.argv.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] })`
      const { launcher, line, folder } = await launch(
        ['-e', caller, '--', '--import', 'tsx', 'scripts/broker.ts', '--redis', '--json'],
        { KAFKA_BROKERS: 'k:1' },
      )
      const port = Number(new URL((JSON.parse(line) as { redis: string }).redis).port)
      expect(await isListening(port)).toBe(true)

      launcher.kill('SIGKILL')
      await vi.waitFor(async () => expect(await isListening(port)).toBe(false), GONE)
      await vi.waitFor(async () => expect(await serverFolders(folder)).toEqual([]), GONE)
    },
  )
})

describe('servers that are there to be struck', () => {
  test('a Redis with a disk has its keys again after SIGKILL, on the same port; one without has none', async () => {
    for (const [settings, found] of [[DURABLE_REDIS, 'here'] as const, [{}, null] as const]) {
      const server = await startRedisServer(() => {}, settings)
      cleanups.push(() => server.close())
      const client = new Redis(server.url, { maxRetriesPerRequest: null })
      client.on('error', () => undefined)
      cleanups.push(() => client.disconnect())
      await client.set('key', 'here')
      await server.kill()
      expect(await isListening(server.port)).toBe(false)
      await server.restart()
      expect(await client.get('key')).toBe(found)
    }
  })

  test.each(['fast', 'immediate'] as const)(
    'a PostgreSQL that is stopped (%s) is back on the same port with what was committed',
    async (how) => {
      const server = await startPostgresServer(() => {}, { max_connections: '20' })
      cleanups.push(() => server.close())
      const pool = new pg.Pool({ connectionString: server.url })
      pool.on('error', () => undefined)
      cleanups.push(() => pool.end())
      await pool.query('create table kept as select 1 as n')
      await server.stop(how)
      expect(await isListening(server.port)).toBe(false)
      await server.restart()
      expect((await pool.query('select n from kept')).rows).toEqual([{ n: 1 }])
      expect((await pool.query('show max_connections')).rows).toEqual([{ max_connections: '20' }])
    },
  )
})

describe('npm run broker', () => {
  test('refuses wrong flags with exit code 2 and says which', async () => {
    const failed = run(process.execPath, ['--import', 'tsx', 'scripts/broker.ts', '--nodes', '5'])
    await expect(failed).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--nodes takes 1 or 3, not 5'),
    })
  })

  test('says what to provide when there is neither Docker, nor Java and Maven, nor KAFKA_BROKERS', async () => {
    const bare = { PATH: '/nonexistent', KAFKA_BROKERS: '' }
    const failed = run(process.execPath, ['--import', 'tsx', 'scripts/broker.ts'], { env: bare })
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Docker[^]*Java 17 or newer and Maven[^]*KAFKA_BROKERS=/) as unknown,
    })
  })
})

test(
  'an own Kafka comes back on its address with its data after a kill, and clients reach it through its proxy',
  { timeout: START_MS },
  async () => {
    const services = await startServices({ kafka: { proxied: true, settings: { 'message.max.bytes': '2000000' } } })
    cleanups.push(() => services.close())
    const {
      brokers,
      nodes: [node],
    } = services.kafka ?? { brokers: [], nodes: [] }
    if (node?.proxy === undefined) throw new Error('no node behind a proxy')
    expect(brokers).toEqual([node.proxy.address])

    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING })
    const [admin, producer] = [kafka.admin(), kafka.producer({ retry: { retries: 0 } })]
    const topic = uniqueName('restart')
    await admin.connect()
    await producer.connect()
    cleanups.push(() => Promise.all([admin.disconnect(), producer.disconnect()]))
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
    await producer.send({ topic, messages: [{ value: 'kept' }] })

    node.proxy.swallowResponses(API_KEYS.produce, 1)
    await expect(producer.send({ topic, messages: [{ value: 'written, never confirmed' }] })).rejects.toThrow(
      'ECONNRESET',
    )
    expect(node.proxy.responses(API_KEYS.produce)).toBe(2)

    const before = node.pid
    await node.kill()
    expect(await isRunning(before)).toBe(false)
    await node.restart()
    expect(node.pid).not.toBe(before)
    await vi.waitFor(async () => expect((await admin.fetchTopicOffsets(topic))[0]?.high).toBe('2'), GONE)
  },
)

test('a paused node keeps its connections and answers nothing until it is resumed', { timeout: START_MS }, async () => {
  const services = await startServices({ kafka: { own: true } })
  cleanups.push(() => services.close())
  const [node] = services.kafka?.nodes ?? []
  if (node === undefined) throw new Error('no node')
  const admin = new Kafka({ brokers: [node.directAddress], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  cleanups.push(() => admin.disconnect())

  node.pause()
  let answered = false
  const answer = admin.listTopics().then(() => (answered = true))
  expect(await isListening(Number(node.directAddress.split(':')[1]))).toBe(true) // the kernel still accepts
  expect(answered).toBe(false)
  node.resume()
  expect(await answer).toBe(true)
})

test('PostgreSQL answers with a database of its own in UTF-8', { timeout: START_MS }, async () => {
  const services = await startServices({ postgres: true })
  cleanups.push(() => services.close())
  const client = new pg.Client({ connectionString: services.postgres?.url })
  await client.connect()
  cleanups.push(() => client.end())
  const { rows } = await client.query<{ name: string; encoding: string }>(
    `SELECT current_database() AS name, current_setting('server_encoding') AS encoding`,
  )
  expect(rows).toEqual([{ name: 'holdfast', encoding: 'UTF8' }])
})

test('PostgreSQL runs without the links of its install script, and from a folder that only its owner enters', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const [closed, scratch] = [join(folder, 'closed'), join(folder, 'scratch')]
  await Promise.all([mkdir(closed, { mode: 0o700 }), mkdir(scratch), chmod(folder, 0o711)])
  const native = join(closed, 'native')
  const { initdb: original } = await findPostgres(scratch)
  await cp(join(original, '..', '..'), native, {
    recursive: true,
    filter: async (path) => !(await lstat(path)).isSymbolicLink(), // `npm ci --ignore-scripts` leaves exactly these out
  })

  const { initdb, user } = await findPostgres(scratch, native)
  const { stdout } = await run(initdb, ['--version'], { ...user, cwd: '/' })
  expect(stdout).toContain('initdb (PostgreSQL)')
  expect(initdb.startsWith(user === undefined ? closed : scratch)).toBe(true)
})

interface Launched {
  readonly launcher: ChildProcess
  /** The first line on its stdout. */
  readonly line: string
  /** Its temporary folder, in which every server's folder is made. */
  readonly folder: string
}

async function launch(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Launched> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  await chmod(folder, 0o1777) // as a system's temporary folder: a server of another user lives below it
  const command = args[0] === '-e' ? args : ['--import', 'tsx', ...args]
  const launcher = spawn(process.execPath, command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder, ...environment },
  })
  cleanups.push(async () => {
    launcher.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  const errors: Buffer[] = []
  launcher.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  const exited = once(launcher, 'exit').then(() => {
    throw new Error(`it ended before it was ready: ${Buffer.concat(errors).toString()}`)
  })
  exited.catch(() => undefined) // a later end is expected
  const line = once(createInterface({ input: launcher.stdout }), 'line') as Promise<[string]>
  const [first] = await Promise.race([line, exited])
  return { launcher, line: first, folder }
}

/** The servers' folders; tsx keeps one of its own beside them. */
async function serverFolders(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('holdfast-'))
}

/** A killed process whose new parent has not collected it yet is a zombie: it no longer runs. */
async function isRunning(pid: number): Promise<boolean> {
  const { stdout } = await run('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }))
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z')
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cachedFolder } from './cached-folder.ts'
import { makeFolder, removeFolder, startChild } from './child.ts'
import type { Child } from './child.ts'
import { hasMaven, javaVersion, unpackJars } from './maven.ts'
import { freePorts } from './ports.ts'
import type { Progress, RunningService } from './services.ts'

const run = promisify(execFile)
const STARTS = 3
const READY_WITHIN_MS = 10_000
const EMBEDDED_REDIS_VERSION = '1.4.3'
const SLOTS = 16_384
const SLOTS_A_LINE = 4_096 // a line has 64 KB at most

/**
 * Provides Redis: `REDIS_URL` if set; else `redis-server` on the PATH; else the binary inside Maven's `embedded-redis`. It keeps
 * nothing on disk. A cluster is always one of its own: a single node that has every slot.
 *
 * @throws Error that says what to install, or shows the end of the server's log.
 */
export async function startRedis(progress: Progress, isCluster: boolean): Promise<RunningService> {
  const given = process.env['REDIS_URL']
  if (given !== undefined && given !== '' && !isCluster) {
    progress('using REDIS_URL')
    return { url: given, how: 'REDIS_URL', close: async () => undefined }
  }
  return startRedisServer(progress, isCluster ? CLUSTER : {})
}

/** A Redis that this process runs, to be killed, paused and started again. */
export interface RedisServer extends RunningService {
  readonly port: number
  /** SIGKILL: as a crash. Resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /**
   * Starts the server again on its own folder and port. Resolves when it answers, be it that it still loads what is on its disk.
   *
   * @param settings - over those that it was first started with
   */
  restart(settings?: RedisSettings): Promise<void>
}

/** Redis' own settings, by their names. */
export type RedisSettings = Readonly<Record<string, string>>

/** What keeps nothing on disk. */
const NO_DISK: RedisSettings = { save: '', appendonly: 'no' }

/** What has every write on the disk before it is answered, so that it survives a crash of the server. */
export const DURABLE_REDIS: RedisSettings = { appendonly: 'yes', appendfsync: 'always' }

/** A node that has met no other does not know its own address, and clients take it for lost. */
const CLUSTER: RedisSettings = { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' }

/**
 * Starts a {@link RedisServer} of one's own, even where `REDIS_URL` is set, on a free loopback port with a folder that goes with it.
 *
 * @throws Error that says what to install, or shows the end of the server's log.
 */
export async function startRedisServer(progress: Progress, settings: RedisSettings = {}): Promise<RedisServer> {
  const { command, how } = await findRedis(progress)
  const startedAt = performance.now()
  progress('redis: starting')
  const folder = await makeFolder('redis')
  try {
    const first = { ...NO_DISK, ...settings }
    const { child, port } = await start(command, folder, first)
    progress(`redis: ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    let running = child
    return {
      url: `redis://127.0.0.1:${port}`,
      how,
      port,
      kill: () => running.stop('SIGKILL', 0),
      pause: () => running.signal('SIGSTOP'),
      resume: () => running.signal('SIGCONT'),
      async restart(changes = {}) {
        running = (await start(command, folder, { ...first, ...changes }, port)).child
      },
      async close() {
        await running.stop('SIGKILL', 0)
        await removeFolder(folder)
      },
    }
  } catch (error) {
    await removeFolder(folder)
    throw error
  }
}

async function start(
  command: string,
  folder: string,
  settings: RedisSettings,
  ownPort?: number,
): Promise<{ child: Child; port: number }> {
  const given = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  for (let tries = 1; ; tries++) {
    const port = ownPort ?? (await freePorts(1))[0] ?? 0
    const args = ['--port', String(port), '--bind', '127.0.0.1', ...given, '--dir', folder]
    const child = await startChild({ command, args, folder })
    const deadline = performance.now() + READY_WITHIN_MS
    while (child.exit === undefined && performance.now() < deadline) {
      const isReady = (await answersPing(port)) && (settings['cluster-enabled'] !== 'yes' || (await takeAllSlots(port)))
      if (isReady) return { child, port }
      await sleep(20)
    }
    await child.stop('SIGKILL', 0)
    const log = await child.logTail()
    if (!/Address already in use/.test(log) || tries === STARTS) throw new Error(`Redis did not start:\n${log}`)
  }
}

/** One that still loads its data says so, and counts as there. */
function answersPing(port: number): Promise<boolean> {
  return answers(port, 'PING', /^(\+PONG|-LOADING)/)
}

/** Makes a cluster of the node; true once it is one, some two seconds after its start. */
async function takeAllSlots(port: number): Promise<boolean> {
  for (let slot = 0; slot < SLOTS; slot += SLOTS_A_LINE) {
    const slots = Array.from({ length: SLOTS_A_LINE }, (_, i) => slot + i)
    await answers(port, `CLUSTER ADDSLOTS ${slots.join(' ')}`, /./) // says so where it has them already
  }
  return answers(port, 'CLUSTER INFO', /cluster_state:ok/)
}

/** Does the server answer so? */
async function answers(port: number, line: string, pattern: RegExp): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(`${line}\r\n`))
  try {
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(1_000) })) as [Buffer]
    return pattern.test(answer.toString())
  } catch {
    return false
  } finally {
    socket.on('error', () => undefined).destroy()
  }
}

async function findRedis(progress: Progress): Promise<{ command: string; how: string }> {
  const onPath = await run('redis-server', ['--version']).then(
    () => true,
    () => false,
  )
  if (onPath) return { command: 'redis-server', how: 'redis-server' }

  const system = process.platform === 'darwin' ? 'darwin' : process.platform === 'linux' ? 'linux' : undefined
  const machine = process.arch === 'x64' ? 'amd64' : process.arch === 'arm64' ? 'arm64' : undefined
  const [java, maven] = await Promise.all([javaVersion(), hasMaven()])
  if (system === undefined || machine === undefined || java === undefined || !maven) {
    throw new Error(
      'Redis cannot be started. Provide one of:\n' +
        '- redis-server on the PATH\n- Java and Maven (`java` and `mvn` on the PATH) on Linux or macOS\n- REDIS_URL',
    )
  }
  const ending = `-${system}-${machine}`
  const folder = await cachedFolder(
    `redis-${EMBEDDED_REDIS_VERSION}`,
    async (partial) => {
      progress('redis: fetching from Maven Central (once)')
      const artifact = { group: 'com.github.codemonstur', name: 'embedded-redis', version: EMBEDDED_REDIS_VERSION }
      await unpackJars([artifact], partial, '**/redis-server*', (line) => progress(`redis: ${line}`))
      for (const file of await binaries(partial)) await chmod(file, 0o755)
    },
    (line) => progress(`redis: ${line}`),
  )
  const command = (await binaries(folder)).find((file) => file.endsWith(ending))
  if (command === undefined)
    throw new Error(`embedded-redis holds no server for ${system} on ${machine}. Set REDIS_URL`)
  return { command, how: 'embedded-redis' }
}

async function binaries(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.startsWith('redis-server'))
    .map((entry) => join(entry.parentPath, entry.name))
}

import { setTimeout as sleep } from 'node:timers/promises'
import { makeFolder, removeFolder, startChild } from './child.ts'
import type { Child } from './child.ts'
import { freePorts } from './ports.ts'
import { answersPing, findRedis } from './redis.ts'
import type { Progress, RunningService } from './services.ts'

/** A Redis of one's own that survives its death: every write is on the disk before it is answered. */
export interface DurableRedis extends RunningService {
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again at the same address, with what it had acknowledged. Resolves when it answers. */
  restart(): Promise<void>
}

const STARTS = 3
const READY_WITHIN_MS = 10_000

/**
 * Starts a Redis with `appendonly yes` and `appendfsync always`, whatever `REDIS_URL` says: to be killed and started again.
 *
 * @throws Error that says what to install, or shows the end of the server's log.
 */
export async function startDurableRedis(progress: Progress): Promise<DurableRedis> {
  const { command, how } = await findRedis(progress)
  const folder = await makeFolder('redis')
  try {
    let { child, port } = await startSomewhere(command, folder)
    return {
      url: `redis://127.0.0.1:${port}`,
      how,
      kill: () => child.stop('SIGKILL', 0),
      async restart() {
        ;({ child, port } = await startAt(port, command, folder))
      },
      async close() {
        await child.stop('SIGKILL', 0)
        await removeFolder(folder)
      },
    }
  } catch (error) {
    await removeFolder(folder)
    throw error
  }
}

interface Started {
  readonly child: Child
  readonly port: number
}

async function startSomewhere(command: string, folder: string): Promise<Started> {
  for (let tries = 1; ; tries++) {
    const [port = 0] = await freePorts(1)
    try {
      return await startAt(port, command, folder)
    } catch (error) {
      if (!/Address already in use/.test(String(error)) || tries === STARTS) throw error
    }
  }
}

async function startAt(port: number, command: string, folder: string): Promise<Started> {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
  const child = await startChild({ command, args: [...settings, ...durable], folder })
  const deadline = performance.now() + READY_WITHIN_MS
  while (child.exit === undefined && performance.now() < deadline) {
    if (await answersPing(port)) return { child, port }
    await sleep(20)
  }
  await child.stop('SIGKILL', 0)
  throw new Error(`Redis did not start:\n${await child.logTail()}`)
}

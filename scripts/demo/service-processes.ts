import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Child } from '../services/child.ts'
import { makeFolder, removeFolder, startChild } from '../services/child.ts'
import { pause } from './stopping.ts'

/** A service of the example, running as a process of its own. */
export interface ServiceProcess {
  readonly name: string
  readonly child: Child
  /** Waits for a line that its log has: the first one that `find` answers for. Rejects when the process ends before. */
  waitForLine<T>(find: (line: LogLine) => T | undefined, signal: AbortSignal): Promise<T>
  /** How many lines its log has by now that fit. */
  countLines(fits: (line: LogLine) => boolean): Promise<number>
  /** Has it killed, with SIGKILL, when it next comes by a failpoint of Holdfast: see the example's `shared/crash-points.ts`. */
  crashAt(failpoint: string): Promise<void>
  /** SIGTERM, and SIGKILL when that takes too long. Removes its log. */
  stop(): Promise<void>
}

/** A line of a service's log. */
export type LogLine = Readonly<Record<string, unknown>>

const EXAMPLE = new URL('../../examples/order-processing/', import.meta.url)
const STOP_GRACE_MS = 15_000

/** Starts a file of the example, as `node --import tsx services/payment.ts` would. It never outlives this process. */
export async function startServiceProcess(
  file: string,
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const name = file.replace(/^services\//, '').replace(/\.ts$/, '')
  const folder = await makeFolder(name)
  const crashFile = join(folder, 'crash-at')
  const child = await startChild({
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), fileURLToPath(new URL(file, EXAMPLE))],
    folder,
    env: { ...environment, CRASH_AT_FILE: crashFile },
  })
  return {
    name,
    child,
    async waitForLine(find, signal) {
      for (;;) {
        const ended = child.exit !== undefined
        for (const line of await logLines(folder)) {
          const found = find(line)
          if (found !== undefined) return found
        }
        if (ended) throw new Error(await epitaph(name, child))
        await pause(100, signal)
      }
    },
    countLines: async (fits) => (await logLines(folder)).filter(fits).length,
    async crashAt(failpoint) {
      await writeFile(crashFile, failpoint)
      child.signal('SIGUSR2')
    },
    async stop() {
      await child.stop('SIGTERM', STOP_GRACE_MS)
      await removeFolder(folder)
    },
  }
}

/** Why a service that should run does not: how it ended, and the last it said. */
export async function epitaph(name: string, child: Child): Promise<string> {
  const { code = null, signal = null } = child.exit ?? {}
  return `${name} ended ${signal === null ? `with code ${code}` : `by ${signal}`}. The last it said:\n${await child.logTail(15)}`
}

async function logLines(folder: string): Promise<readonly LogLine[]> {
  const text = await readFile(join(folder, 'server.log'), 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line) as LogLine] : []
    } catch {
      return [] // half a line: the other half is on its way
    }
  })
}

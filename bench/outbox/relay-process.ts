import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { RelaySpec } from './relay-spec.ts'

/** Relays in processes of their own, which stay for all rounds and share one outbox. */
export interface RelayProcesses {
  /** Tells all of them that there are so many rows. */
  go(rows: number): void
  /**
   * Resolves when so many rows more than at the last call were published and marked, by all together.
   *
   * @returns the moment of the last one, by the machine's monotonic clock, in milliseconds.
   */
  published(rows: number): Promise<number>
  close(): Promise<void>
}

/** What a relaying process says, whenever it changes: the first time when it is ready. */
interface Report {
  readonly published: number
  readonly atMs: number
  /** Null: it has no buckets. */
  readonly buckets: number | null
}

interface Child {
  readonly ready: Promise<void>
  readonly failed: Promise<never>
  report(): Report
  write(line: string): void
  close(): Promise<void>
}

const CHILD = join(dirname(fileURLToPath(import.meta.url)), 'relay-child.ts')
const LONGEST_MS = 1_200_000
const BUCKETS = 64

/** Starts one process for each spec; resolves when all are ready, and have shared the buckets. */
export async function startRelayProcesses(specs: readonly RelaySpec[]): Promise<RelayProcesses> {
  let look = (): void => undefined
  const children = specs.map((spec) => startChild(spec, () => look()))
  const failed = Promise.race(children.map((child) => child.failed))
  failed.catch(() => undefined)
  const close = async (): Promise<void> => void (await Promise.all(children.map((child) => child.close())))
  try {
    await Promise.race([Promise.all(children.map((child) => child.ready)), failed])
    const share = Math.ceil(BUCKETS / children.length)
    const isShared = (): boolean => {
      const held = children.map((child) => child.report().buckets ?? share)
      return held.every((buckets) => buckets <= share) && held.reduce((sum, buckets) => sum + buckets, 0) >= BUCKETS
    }
    const shared = new Promise<void>((resolve) => {
      look = () => void (isShared() && resolve())
      look()
    })
    await Promise.race([shared, failed])
  } catch (error) {
    await close()
    throw error
  }
  let before = 0
  return {
    go(rows) {
      for (const child of children) child.write(String(rows))
    },
    async published(rows) {
      let timer: NodeJS.Timeout | undefined
      const reached = new Promise<number>((resolve, reject) => {
        const sum = (): number => children.reduce((all, child) => all + child.report().published, 0)
        timer = setTimeout(
          () => reject(new Error(`published ${sum() - before} of ${rows} rows in ${LONGEST_MS} ms`)),
          LONGEST_MS,
        )
        look = () => {
          const now = sum()
          if (now - before > rows) reject(new Error(`published ${now - before} rows where there were ${rows}`))
          else if (now - before === rows) {
            before = now
            resolve(Math.max(...children.map((child) => child.report().atMs)))
          }
        }
        look()
      })
      try {
        return await Promise.race([reached, failed])
      } finally {
        clearTimeout(timer)
        look = () => undefined
      }
    },
    close,
  }
}

function startChild(spec: RelaySpec, changed: () => void): Child {
  const flags = [...process.execArgv.filter((flag) => flag.startsWith('--conditions')), '--import', 'tsx']
  const profile = process.env['BENCH_CPU_PROFILE'] // a folder: where the time goes
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const child = spawn(process.execPath, [...flags, ...profiling, CHILD, JSON.stringify(spec)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const errors: string[] = []
  let report: Report | null = null
  let closing = false
  let isReady: () => void
  const ready = new Promise<void>((resolve) => (isReady = resolve))
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line)
    if (errors.length > 25) errors.shift()
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    report = JSON.parse(line) as Report
    isReady()
    changed()
  })
  child.stdin.on('error', () => undefined) // it may have ended: `failed` says so
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      errors.push(error.message)
      resolve()
    })
    child.once('close', () => resolve())
  })
  const failed = ended.then(() => {
    if (closing) return new Promise<never>(() => undefined)
    throw new Error(`a relaying process (${spec.side}) ended:\n${errors.join('\n')}`)
  })
  failed.catch(() => undefined)
  return {
    ready,
    failed,
    report: () => report!,
    write: (line) => void child.stdin.write(`${line}\n`),
    async close() {
      closing = true
      child.stdin.write('close\n')
      await ended
    },
  }
}

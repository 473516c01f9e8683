import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A process that holds a lock. */
export interface LockWorker {
  readonly process: ChildProcess
  readonly pid: number
  /** Its fencing token. */
  readonly token: bigint
  /** Has it write to the resource with its token; answers how many rows it changed. */
  write(): Promise<number>
  /** Resolves when it has been told that its lock is lost. */
  readonly lost: Promise<void>
  /** Resolves when it has ended. */
  readonly gone: Promise<unknown>
}

/** What a worker is told. */
export interface LockWorkerSettings {
  /** Left out: its lock is on PostgreSQL. */
  readonly REDIS_AT?: string
  readonly POSTGRES_AT: string
  /** The prefix, or the sequence. */
  readonly PLACE: string
  /** A table with `by` and `fence`. */
  readonly RESOURCE: string
  readonly LEASE_MS: string
}

/** Starts a worker, and resolves when it has its lock; it is killed at the end of the test at the latest. */
export async function startLockWorker(settings: LockWorkerSettings): Promise<LockWorker> {
  const worker = spawn(process.execPath, ['--import', 'tsx', 'test/broker/stores/lock-worker.ts'], {
    env: { ...process.env, ...settings },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void worker.kill('SIGKILL'))
  const gone = new Promise((resolve) => worker.once('exit', resolve))
  const said = new Map<string, (rest: string) => void>()
  const next = (word: string): Promise<string> => new Promise((resolve) => said.set(word, resolve))
  createInterface({ input: worker.stdout }).on('line', (line) => {
    const [word = '', rest = ''] = line.split(' ')
    said.get(word)?.(rest)
  })
  const lost = next('lost').then(() => {})
  const token = await Promise.race([
    next('token'),
    gone.then((code) => Promise.reject(new Error(`the worker has ended with ${String(code)}`))),
  ])
  return {
    process: worker,
    pid: worker.pid!,
    token: BigInt(token),
    async write() {
      const answer = next('wrote')
      worker.stdin.write('write\n')
      return Number(await answer)
    },
    lost,
    gone,
  }
}

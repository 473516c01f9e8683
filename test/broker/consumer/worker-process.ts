import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Shop } from './shop.ts'

/** What the workers of one test write down. */
export interface Ledger {
  readonly file: string
  /** The places of handled records, in the order in which they were handled, repeats included. */
  lines(): string[]
  /** How far the group has acknowledged commits, by partition. */
  committed(): ReadonlyMap<string, bigint>
  /** Resolves when its lines are such, or when that has not come in `withinMs`: what is missing then is for the test to say. */
  until(condition: (lines: readonly string[]) => boolean, withinMs: number): Promise<void>
}

/** Opens an empty one. */
export function openLedger(): Ledger {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-effects-'))
  const waiting = new Set<() => void>()
  onTestFinished(() => {
    for (const end of waiting) end()
    rmSync(folder, { recursive: true, force: true })
  })
  const file = join(folder, 'effects')
  writeFileSync(file, '')
  const all = (): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const lines = (): string[] => all().filter((line) => !line.startsWith('committed'))
  return {
    file,
    lines,
    committed: () =>
      new Map(
        all()
          .filter((line) => line.startsWith('committed'))
          .map((line) => {
            const [partition, offset] = line.split(' ')[1]!.split('@')
            return [partition!, BigInt(offset!)]
          }),
      ),
    until: (condition, withinMs) =>
      new Promise((resolve) => {
        const end = (): void => {
          waiting.delete(end)
          clearTimeout(timer)
          watcher.close()
          resolve()
        }
        const check = (): void => {
          if (condition(lines())) end()
        }
        waiting.add(end)
        const timer = setTimeout(end, withinMs)
        const watcher = watch(file, check)
        check()
      }),
  }
}

/** Starts a worker of the shop's group; it is killed at the end of the test at the latest. */
export function startWorker(
  { brokers, topic, groupId }: Shop,
  effects: string,
  settings: Partial<Record<'DIE_AT' | 'CONCURRENCY' | 'DATABASE_URL' | 'DELIVERY', string>> = {},
): ChildProcess {
  const env = {
    ...process.env,
    BROKERS: brokers.join(','),
    TOPIC: topic.name,
    GROUP: groupId,
    EFFECTS: effects,
    ...settings,
  }
  const worker = spawn(process.execPath, ['--import', 'tsx', 'test/broker/consumer/worker.ts'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  onTestFinished(() => void worker.kill('SIGKILL'))
  return worker
}

/** Resolves when it has ended. */
export const gone = (worker: ChildProcess): Promise<unknown> => new Promise((resolve) => worker.once('exit', resolve))

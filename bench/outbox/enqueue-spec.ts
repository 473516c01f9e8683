import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConsumerProcess } from '../consumer-process.ts'
import { startConsumerProcess } from '../consumer-process.ts'

/** What an enqueueing process is told. */
export interface EnqueueSpec {
  /** `plain` inserts the same row into the same table by a statement of its own: no outbox could cost less. */
  readonly side: 'holdfast' | 'plain'
  readonly url: string
  /** Keys, of which each transaction takes one at random. */
  readonly keys: number
  readonly notify?: boolean
  readonly keepSentMs?: number
  readonly keyOrder?: 'none'
}

/** So many transactions are open at a time. */
export const CLIENTS = 64

/** Starts one. Each of its runs is so many transactions, begun by as many clients. */
export function startEnqueuing(spec: EnqueueSpec): ConsumerProcess {
  const child = join(dirname(fileURLToPath(import.meta.url)), 'enqueue-child.ts')
  const flags = [...process.execArgv.filter((flag) => flag.startsWith('--conditions')), '--import', 'tsx']
  const profile = process.env['BENCH_CPU_PROFILE'] // a folder: where the time goes
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  return startConsumerProcess(process.execPath, [...flags, ...profiling, child, JSON.stringify(spec)])
}

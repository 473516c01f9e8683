import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConsumerProcess } from './consumer-process.ts'
import { startConsumerProcess } from './consumer-process.ts'

/** What a consuming Node.js process is told. */
export interface ConsumerSpec {
  /** `by-hand` is kafkajs with a schema, a memory of ids and a span for each message, as one writes them without a library. */
  readonly side: 'holdfast' | 'kafkajs' | 'by-hand'
  readonly brokers: readonly string[]
  readonly topic: string
  /**
   * `trivial` counts decoded values; `io` waits for a timer before that. `guarded` is trivial behind a schema, a dedupe store and
   * tracing, which bare kafkajs has not: there it is `trivial`.
   */
  readonly handler: 'trivial' | 'guarded' | 'io'
  /** Holdfast's own default when left out. */
  readonly concurrency?: number
  /** What recognises duplicates; nothing when left out. */
  readonly guard?: Guard
  /** Holdfast's own default when left out. */
  readonly delivery?: 'at-least-once' | 'at-most-once'
  /** Does the handler write a row to PostgreSQL? Through its inbox, where it has one. */
  readonly effect?: boolean
  /** So many messages in a call. */
  readonly batch?: number
  /** For guards and effects. */
  readonly servers?: Servers
  readonly maxBufferedBytes?: number
  /** Samples the heap after garbage collections, which takes time. */
  readonly heap?: boolean
  /** Samples what the consumer holds. */
  readonly buffered?: boolean
}

/** A dedupe store, or an inbox. */
export type Guard = 'memory' | 'redis' | 'postgres' | 'inbox'

/** Where they are. */
export interface Servers {
  readonly postgres: string
  readonly redis: string
}

/** What one record waits for under `io`, in milliseconds. */
export const IO_MS = 10

/** Starts a consuming Node.js process. */
export function startNodeConsumer(spec: ConsumerSpec): ConsumerProcess {
  const child = join(dirname(fileURLToPath(import.meta.url)), 'consume-child.ts')
  const flags = [...process.execArgv.filter((flag) => flag.startsWith('--conditions')), '--import', 'tsx']
  const heap = spec.heap === true ? ['--expose-gc'] : []
  const profile = process.env['BENCH_CPU_PROFILE'] // a folder: where the time goes
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  return startConsumerProcess(process.execPath, [...flags, ...heap, ...profiling, child, JSON.stringify(spec)])
}

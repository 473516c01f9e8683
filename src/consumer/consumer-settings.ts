import { z } from 'zod'
import type { Runtime } from '../clock/index.ts'
import { MAX_TIMER_MS, systemRuntime } from '../clock/index.ts'
import type { Driver } from '../driver/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import { safeLogger, silentLogger } from '../logger/index.ts'
import type { Telemetry } from '../telemetry/index.ts'
import { openTelemetry, safeTelemetry } from '../telemetry/index.ts'
import type { ConsumerOptions } from './consumer-options.ts'

/** {@link ConsumerOptions} with nothing left open. */
export interface ConsumerSettings extends Required<
  Omit<ConsumerOptions, 'driver' | 'logger' | 'telemetry' | 'runtime' | 'onAssigned' | 'onRevoked' | 'onLost'>
> {
  readonly hooks: Pick<ConsumerOptions, 'onAssigned' | 'onRevoked' | 'onLost'>
  /** How long `onRevoked` may take. */
  readonly hookBudgetMs: number
  readonly driver: Driver
  readonly logger: Logger
  readonly telemetry: Pick<Telemetry, 'processing'>
  readonly runtime: Runtime
}

/** The longest a fetch waits for data: Java's `fetch.max.wait.ms`. A commit can stand behind one on the same connection. */
export const MAX_WAIT_MS = 500
/** What the last commit of a drain may take; the rebalance timeout has to leave room for it. */
export const COMMIT_BUDGET_MS = 5_000
/** The most that one fetch brings of a partition: Java's `max.partition.fetch.bytes`. */
export const MAX_BYTES_PER_PARTITION = 1_048_576

/**
 * Checks options and fills in defaults.
 *
 * @throws HOLDFAST_CONFIG_INVALID, listing every problem.
 */
export function consumerSettings(options: ConsumerOptions): ConsumerSettings {
  const checked = schema.safeParse(options)
  const problems = [...(checked.success ? [] : problemsOf(checked.error)), ...contradictions(options)]
  if (!checked.success || problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'createConsumer: options do not fit', { problems })
  const { driver, logger = silentLogger, telemetry = openTelemetry(), runtime = systemRuntime } = options
  const { onAssigned: _assigned, onRevoked: _revoked, onLost: _lost, ...settings } = checked.data
  return {
    ...settings,
    maxBufferedRecords: settings.maxBufferedRecords ?? Math.max(BUFFERED_RECORDS, 4 * settings.concurrency),
    driver,
    telemetry: safeTelemetry(telemetry),
    runtime,
    logger: safeLogger(logger),
    hooks: options,
    hookBudgetMs: Math.max(0, settings.rebalanceTimeoutMs - timeToGive(settings)),
  }
}

/**
 * Enough to keep busy what handles a hundred thousand a second, for as long as several fetches take. More is not faster: what waits for
 * long outlives the young generation of the heap, and is moved about by the collector of garbage.
 */
const BUFFERED_RECORDS = 20_000

/** What it takes to give partitions back, without the user's hook. */
export function timeToGive(settings: Pick<ConsumerSettings, 'drainTimeoutMs' | 'heartbeatIntervalMs'>): number {
  return settings.drainTimeoutMs + settings.heartbeatIntervalMs + MAX_WAIT_MS + COMMIT_BUDGET_MS
}

const methods = (...names: readonly string[]): z.ZodType<unknown> =>
  z.custom<unknown>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      names.every((name) => typeof Reflect.get(value, name) === 'function'),
    { message: `must have the methods ${names.join(', ')}` },
  )
/** Text that has a UTF-8: with a lone surrogate it becomes another one, the same for all that are broken alike. */
export const wellFormed = (text: z.ZodString): z.ZodString =>
  text.refine((value) => value.isWellFormed(), { message: 'must be well-formed text' })
const timer = (min: number): z.ZodInt => z.int().min(min).max(MAX_TIMER_MS)

const hook = z.custom<unknown>((value) => typeof value === 'function', { message: 'must be a function' })

const SESSION_TIMEOUT_MS = 30_000
const REBALANCE_TIMEOUT_MS = 60_000
const HEARTBEAT_INTERVAL_MS = 3_000
const DRAIN_TIMEOUT_MS = 10_000

const schema = z.strictObject({
  driver: methods('createConsumer', 'createProducer', 'createAdmin'),
  groupId: wellFormed(z.string().min(1).max(249)),
  startAt: z
    .union([z.literal('earliest'), z.literal('latest'), z.date()], {
      error: 'must be "earliest", "latest" or a valid Date',
    })
    .default('earliest'),
  concurrency: z.int().min(1).max(10_000).default(64),
  sessionTimeoutMs: z.int().min(1_000).max(1_800_000).default(SESSION_TIMEOUT_MS),
  rebalanceTimeoutMs: timer(1_000).default(REBALANCE_TIMEOUT_MS),
  heartbeatIntervalMs: timer(1).default(HEARTBEAT_INTERVAL_MS),
  drainTimeoutMs: timer(0).default(DRAIN_TIMEOUT_MS),
  commitIntervalMs: z.int().min(0).max(60_000).default(100),
  maxBufferedBytes: z
    .int()
    .min(1)
    .default(64 * 2 ** 20),
  maxBufferedRecords: z.int().min(1).optional(),
  maxLagMs: z.int().min(0).default(3_600_000),
  replayWindowMs: z.int().min(0).default(0),
  onOutOfRange: z.enum(['fail', 'earliest', 'latest']).default('fail'),
  onAssigned: hook.optional(),
  onRevoked: hook.optional(),
  onLost: hook.optional(),
  logger: methods('debug', 'info', 'warn', 'error').optional(),
  telemetry: methods('processing').optional(),
  runtime: z.custom<unknown>((value) => typeof value === 'object' && value !== null).optional(),
})

/** What fits alone and not together. Beside the schema, whose own such checks wait until all else fits. */
function contradictions(given: unknown): readonly Problem[] {
  if (typeof given !== 'object' || given === null) return []
  const { sessionTimeoutMs, rebalanceTimeoutMs, heartbeatIntervalMs, drainTimeoutMs, onRevoked } =
    given as Partial<ConsumerOptions>
  const session = numberOr(SESSION_TIMEOUT_MS, sessionTimeoutMs)
  const rebalance = numberOr(REBALANCE_TIMEOUT_MS, rebalanceTimeoutMs)
  const heartbeat = numberOr(HEARTBEAT_INTERVAL_MS, heartbeatIntervalMs)
  const drain = numberOr(DRAIN_TIMEOUT_MS, drainTimeoutMs)
  const problems: Problem[] = []
  const add = (path: string, message: string): void => void problems.push({ path, message })
  if (heartbeat >= session) {
    add('heartbeatIntervalMs', 'must be less than sessionTimeoutMs, or the broker takes a healthy member for dead')
  }
  // The group waits for this member no longer than the rebalance timeout: what is drained and committed later is refused.
  const needed = timeToGive({ drainTimeoutMs: drain, heartbeatIntervalMs: heartbeat })
  const parts = `drainTimeoutMs, heartbeatIntervalMs, ${MAX_WAIT_MS} for a fetch and ${COMMIT_BUDGET_MS} for the last commit`
  if (needed > rebalance) add('rebalanceTimeoutMs', `must be at least ${needed}: ${parts}`)
  else if (needed === rebalance && onRevoked !== undefined) {
    add('rebalanceTimeoutMs', `must be more than ${needed} (${parts}): onRevoked gets what is left, which is nothing`)
  }
  return problems
}

/** One that is no number is told by the schema already. */
function numberOr(otherwise: number, given: unknown): number {
  return typeof given === 'number' && Number.isFinite(given) ? given : otherwise
}

/** Zod's issues as ours: where, and what would be right; never the value. */
export function problemsOf(error: z.ZodError, prefix = ''): readonly Problem[] {
  return error.issues.map((issue) => ({
    path: [prefix, ...issue.path.map(String)].filter((part) => part !== '').join('.') || 'options',
    message: issue.message,
  }))
}

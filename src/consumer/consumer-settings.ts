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
import type { ConsumerOptions } from './consumer.ts'

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
  if (!checked.success) {
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'createConsumer: options do not fit', {
      problems: problemsOf(checked.error),
    })
  }
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
function timeToGive(settings: Pick<ConsumerSettings, 'drainTimeoutMs' | 'heartbeatIntervalMs'>): number {
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
const timer = (min: number): z.ZodInt => z.int().min(min).max(MAX_TIMER_MS)

const hook = z.custom<unknown>((value) => typeof value === 'function', { message: 'must be a function' })

const schema = z
  .strictObject({
    driver: methods('createConsumer', 'createProducer', 'createAdmin'),
    groupId: z.string().min(1).max(249),
    startAt: z
      .union([z.literal('earliest'), z.literal('latest'), z.date()], {
        error: 'must be "earliest", "latest" or a valid Date',
      })
      .default('earliest'),
    concurrency: z.int().min(1).max(10_000).default(64),
    sessionTimeoutMs: z.int().min(1_000).max(1_800_000).default(30_000),
    rebalanceTimeoutMs: timer(1_000).default(60_000),
    heartbeatIntervalMs: timer(1).default(3_000),
    drainTimeoutMs: timer(0).default(10_000),
    commitIntervalMs: z.int().min(0).max(60_000).default(100),
    maxBufferedBytes: z
      .int()
      .min(1)
      .default(64 * 2 ** 20),
    maxBufferedRecords: z.int().min(1).optional(),
    onOutOfRange: z.enum(['fail', 'earliest', 'latest']).default('fail'),
    onAssigned: hook.optional(),
    onRevoked: hook.optional(),
    onLost: hook.optional(),
    logger: methods('debug', 'info', 'warn', 'error').optional(),
    telemetry: methods('processing').optional(),
    runtime: z.custom<unknown>((value) => typeof value === 'object' && value !== null).optional(),
  })
  .superRefine((settings, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if (settings.heartbeatIntervalMs >= settings.sessionTimeoutMs) {
      refuse('heartbeatIntervalMs', 'must be less than sessionTimeoutMs, or the broker takes a healthy member for dead')
    }
    // The group waits for this member no longer than the rebalance timeout: what is drained and committed later is refused.
    const needed = timeToGive(settings)
    const parts = `drainTimeoutMs, heartbeatIntervalMs, ${MAX_WAIT_MS} for a fetch and ${COMMIT_BUDGET_MS} for the last commit`
    if (needed > settings.rebalanceTimeoutMs) {
      refuse('rebalanceTimeoutMs', `must be at least ${needed}: ${parts}`)
    } else if (needed === settings.rebalanceTimeoutMs && settings.onRevoked !== undefined) {
      refuse(
        'rebalanceTimeoutMs',
        `must be more than ${needed} (${parts}): onRevoked gets what is left, which is nothing`,
      )
    }
  })

/** Zod's issues as ours: where, and what would be right; never the value. */
export function problemsOf(error: z.ZodError, prefix = ''): readonly Problem[] {
  return error.issues.map((issue) => ({
    path: [prefix, ...issue.path.map(String)].filter((part) => part !== '').join('.') || 'options',
    message: issue.message,
  }))
}

import { z } from 'zod'
import type { Runtime } from '../../clock/index.ts'
import { MAX_TIMER_MS, systemRuntime } from '../../clock/index.ts'
import type { Compression, Driver } from '../../driver/index.ts'
import { refuseUnableProducer } from '../../driver/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { Logger } from '../../logger/index.ts'
import { safeLogger, silentLogger } from '../../logger/index.ts'
import { bytes, having, problemOf, text } from '../../options/index.ts'
import type { Telemetry } from '../../telemetry/index.ts'
import { openTelemetry, safeTelemetry } from '../../telemetry/index.ts'
import type { RelayStore } from '../relay-store.ts'
import type { RelayOptions } from './relay.ts'

/** {@link RelayOptions} with their defaults. */
export interface RelaySettings {
  readonly store: RelayStore
  /** Looks whether the store is fit. */
  readonly check: () => Promise<void>
  readonly onEnqueued: (listener: () => void) => () => void
  readonly driver: Driver
  readonly worker: string
  readonly leaseMs: number
  readonly deliveryTimeoutMs: number
  readonly idleIntervalMs: number
  readonly sweepIntervalMs: number
  readonly listen: boolean
  readonly transactionalIdPrefix: string | undefined
  readonly maxBatchRecords: number
  readonly maxBatchBytes: number
  readonly maxBufferedRows: number
  readonly maxBufferedBytes: number
  readonly compression: Compression
  readonly unknownTopicGraceMs: number
  readonly telemetry: Telemetry
  readonly logger: Logger
  readonly runtime: Runtime
}

/**
 * Checks the options and fills in their defaults.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem; HOLDFAST_UNSUPPORTED for what driver or store cannot do.
 */
export function readRelayOptions(options: RelayOptions): RelaySettings {
  const parsed = schema.safeParse(options)
  const problems = [
    ...(parsed.error?.issues ?? []).map(problemOf),
    ...(typeof options === 'object' && options !== null ? contradictions(options) : []),
  ]
  if (problems.length > 0) throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the relay cannot be made', { problems })
  const { outbox, driver, compression = 'none', listen = false, transactionalIdPrefix } = options
  const { capabilities, name } = driver
  const unsupported = (message: string): HoldfastError => new HoldfastError('HOLDFAST_UNSUPPORTED', message)
  refuseUnableProducer(driver, compression)
  if (transactionalIdPrefix !== undefined && !capabilities.transactions)
    throw unsupported(`transactionalIdPrefix: ${name} has no transactions`)
  if (listen && outbox.store.relay.listen === undefined)
    throw unsupported('listen: this store cannot tell of commits; leave it out, and the relay looks by itself')
  const runtime = options.runtime ?? systemRuntime
  const leaseMs = options.leaseMs ?? LEASE_MS
  return {
    store: outbox.store.relay,
    check: () => outbox.store.check(),
    onEnqueued: (listener) => outbox.onEnqueued(listener),
    driver,
    worker: options.worker ?? runtime.ids(),
    leaseMs,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? defaultDeliveryTimeout(leaseMs),
    idleIntervalMs: options.idleIntervalMs ?? 1_000,
    sweepIntervalMs: options.sweepIntervalMs ?? 30_000,
    listen,
    transactionalIdPrefix,
    maxBatchRecords: options.maxBatchRecords ?? 500,
    maxBatchBytes: options.maxBatchBytes ?? 2 ** 20,
    maxBufferedRows: options.maxBufferedRows ?? 5_000,
    maxBufferedBytes: options.maxBufferedBytes ?? 32 * 2 ** 20,
    compression,
    unknownTopicGraceMs: options.unknownTopicGraceMs ?? 30_000,
    telemetry: options.telemetry === undefined ? openTelemetry() : safeTelemetry(options.telemetry),
    logger: safeLogger(options.logger ?? silentLogger),
    runtime,
  }
}

const LEASE_MS = 30_000

function defaultDeliveryTimeout(leaseMs: number): number {
  return Math.max(1, Math.min(10_000, Math.floor(leaseMs / 3)))
}

const GIB = 2 ** 30
const duration = (least: number): z.ZodType => z.int().min(least).max(MAX_TIMER_MS).optional()

const schema = z.strictObject({
  outbox: z.custom(
    (value) =>
      typeof Reflect.get(Object(value), 'onEnqueued') === 'function' &&
      typeof Reflect.get(Object(Reflect.get(Object(value), 'store')), 'relay') === 'object',
    { message: 'must be an outbox, as createOutbox makes it' },
  ),
  driver: having('a driver, such as kafkajsDriver(…)', 'createProducer'),
  worker: text(200).optional(),
  leaseMs: duration(1_000),
  deliveryTimeoutMs: duration(1),
  idleIntervalMs: duration(10),
  sweepIntervalMs: duration(10),
  listen: z.boolean().optional(),
  transactionalIdPrefix: text(240).optional(),
  maxBatchRecords: z.int().min(1).max(100_000).optional(),
  maxBatchBytes: bytes(GIB).optional(),
  maxBufferedRows: z.int().min(1).max(1_000_000).optional(),
  maxBufferedBytes: bytes(1_024 * GIB).optional(),
  compression: z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd']).optional(),
  unknownTopicGraceMs: duration(0),
  telemetry: having('a Telemetry', 'sending').optional(),
  logger: having('a logger with debug, info, warn and error', 'debug', 'info', 'warn', 'error').optional(),
  runtime: having('a Runtime', 'random', 'ids', 'failpoint').optional(),
})

/** What fits alone and not together. */
function contradictions({ leaseMs = LEASE_MS, deliveryTimeoutMs }: Partial<RelayOptions>): readonly Problem[] {
  if (deliveryTimeoutMs === undefined || deliveryTimeoutMs * 2 <= leaseMs) return []
  const message = `must be at most half of leaseMs: ${deliveryTimeoutMs} × 2 > ${leaseMs}. A lease is renewed at a quarter of its time, and no produce may outlast it`
  return [{ path: 'deliveryTimeoutMs', message }]
}

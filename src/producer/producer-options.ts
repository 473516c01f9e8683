import { z } from 'zod'
import type { Runtime } from '../clock/index.ts'
import { MAX_TIMER_MS, systemRuntime } from '../clock/index.ts'
import type { Compression, Driver } from '../driver/index.ts'
import { refuseUnableProducer } from '../driver/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import { silentLogger } from '../logger/index.ts'
import { bytes, having, problemOf, text } from '../options/index.ts'
import type { Telemetry } from '../telemetry/index.ts'
import { openTelemetry, safeTelemetry } from '../telemetry/index.ts'
import type { PartitionCountChange } from './partition-counts.ts'
import type { Partitioner } from './partitioner.ts'

/** How a producer is made. */
export interface ProducerOptions {
  readonly driver: Driver
  /**
   * Names this service in the `holdfast-source` header of what it sends. 1 to 200 characters.
   *
   * @defaultValue the driver's `clientId`
   */
  readonly source?: string
  /**
   * How long a send may take, from the call to the acknowledgement, in milliseconds. 1 to 2^31 − 1.
   *
   * @defaultValue `120_000`, Java's `delivery.timeout.ms`
   */
  readonly deliveryTimeoutMs?: number
  /**
   * How long a batch waits for more messages before it goes, in milliseconds. 0 to 60,000, and less than `deliveryTimeoutMs`.
   * Without it batches still grow with the load: what is sent in one turn of the event loop, and while a batch of the same
   * partition is under way, goes together.
   *
   * @defaultValue `0`
   */
  readonly lingerMs?: number
  /**
   * The most messages in one batch. 1 to 100,000. With kafkajs 500 to 1,000 were the fastest in `bench/`.
   *
   * @defaultValue `500`
   */
  readonly maxBatchRecords?: number
  /**
   * The most bytes in one batch, before compression. A single message may be larger, up to `maxRequestBytes`. 1 to 1 GiB.
   *
   * @defaultValue `maxRequestBytes`
   */
  readonly maxBatchBytes?: number
  /**
   * The largest message, before compression; a larger one fails `HOLDFAST_RECORD_TOO_LARGE` unsent. The broker has a limit of its
   * own (`max.message.bytes` of the topic). 1 to 1 GiB.
   *
   * @defaultValue 1 MiB, Java's `max.request.size`
   */
  readonly maxRequestBytes?: number
  /**
   * The most bytes of messages that are taken over and not yet acknowledged. When it is full, sends wait for room, and fail
   * `HOLDFAST_BUFFER_FULL` at their delivery timeout. At least `maxRequestBytes`, at most 1 TiB.
   *
   * @defaultValue 32 MiB, Java's `buffer.memory`
   */
  readonly maxBufferedBytes?: number
  /** One that the driver can. @defaultValue `'none'` */
  readonly compression?: Compression
  /** @defaultValue Java's: murmur2 of the key; without a key one partition a batch */
  readonly partitioner?: Partitioner
  /**
   * Makes {@link Producer.transaction} possible. The same for every life of one instance of a service, and no other's: whoever
   * begins a transaction with it fences off whoever had it before. 1 to 249 characters.
   */
  readonly transactionalId?: string
  /**
   * After how long the broker rolls back a transaction that was left open, in milliseconds. 1,000 to 900,000 (the broker's
   * `transaction.max.timeout.ms` as it comes). Only with `transactionalId`.
   *
   * @defaultValue `60_000`, Java's `transaction.timeout.ms`
   */
  readonly transactionTimeoutMs?: number
  /** @defaultValue silent */
  readonly logger?: Logger
  /** @defaultValue OpenTelemetry's API: nothing without an SDK */
  readonly telemetry?: Telemetry
  /** Hears, beside a warning in the log, that keys go to other partitions from now on than their earlier messages. */
  readonly onPartitionCountChange?: (change: PartitionCountChange) => void
  /** Time, chance, ids and failpoints: for virtual clocks, simulators and crash tests. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** {@link ProducerOptions} with their defaults. */
export interface ProducerSettings {
  readonly driver: Driver
  readonly source: string
  readonly deliveryTimeoutMs: number
  readonly lingerMs: number
  readonly maxBatchRecords: number
  readonly maxBatchBytes: number
  readonly maxRequestBytes: number
  readonly maxBufferedBytes: number
  readonly compression: Compression
  readonly partitioner: Partitioner | undefined
  readonly transactionalId: string | undefined
  readonly transactionTimeoutMs: number
  readonly logger: Logger
  readonly telemetry: Telemetry
  readonly onPartitionCountChange: ((change: PartitionCountChange) => void) | undefined
  readonly runtime: Runtime
}

/**
 * Checks the options and fills in their defaults.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem; HOLDFAST_UNSUPPORTED for what the driver cannot do.
 */
export function readProducerOptions(options: ProducerOptions): ProducerSettings {
  const parsed = schema.safeParse(options)
  const problems = [
    ...(parsed.error?.issues ?? []).map(problemOf),
    ...(typeof options === 'object' && options !== null ? contradictions(options) : []),
  ]
  if (problems.length > 0) {
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the producer cannot be made', { problems })
  }
  const { capabilities, clientId, name } = options.driver
  const { compression = 'none', transactionalId, maxRequestBytes = MAX_REQUEST_BYTES } = options
  refuseUnableProducer(options.driver, compression)
  if (transactionalId !== undefined && !capabilities.transactions) {
    throw new HoldfastError('HOLDFAST_UNSUPPORTED', `transactionalId: ${name} has no transactions`)
  }
  return {
    driver: options.driver,
    source: options.source ?? clientId,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS,
    lingerMs: options.lingerMs ?? 0,
    maxBatchRecords: options.maxBatchRecords ?? 500,
    maxBatchBytes: options.maxBatchBytes ?? maxRequestBytes,
    maxRequestBytes,
    maxBufferedBytes: options.maxBufferedBytes ?? MAX_BUFFERED_BYTES,
    compression,
    partitioner: options.partitioner,
    transactionalId,
    transactionTimeoutMs: options.transactionTimeoutMs ?? 60_000,
    logger: options.logger ?? silentLogger,
    telemetry: options.telemetry === undefined ? openTelemetry() : safeTelemetry(options.telemetry),
    onPartitionCountChange: options.onPartitionCountChange,
    runtime: options.runtime ?? systemRuntime,
  }
}

const DELIVERY_TIMEOUT_MS = 120_000
const MAX_REQUEST_BYTES = 2 ** 20
const MAX_BUFFERED_BYTES = 32 * 2 ** 20
const GIB = 2 ** 30

const isFunction = (): z.ZodType => z.custom((value) => typeof value === 'function', { message: 'must be a function' })

const schema = z.strictObject({
  driver: having('a driver, such as kafkajsDriver(…)', 'createProducer'),
  source: text(200).optional(),
  deliveryTimeoutMs: z.int().min(1).max(MAX_TIMER_MS).optional(),
  lingerMs: z.number().min(0).max(60_000).optional(),
  maxBatchRecords: z.int().min(1).max(100_000).optional(),
  maxBatchBytes: bytes(GIB).optional(),
  maxRequestBytes: bytes(GIB).optional(),
  maxBufferedBytes: bytes(1_024 * GIB).optional(),
  compression: z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd']).optional(),
  partitioner: isFunction().optional(),
  transactionalId: text(249).optional(),
  transactionTimeoutMs: z.int().min(1_000).max(900_000).optional(),
  logger: having('a logger with debug, info, warn and error', 'debug', 'info', 'warn', 'error').optional(),
  telemetry: having('a Telemetry', 'sending').optional(),
  onPartitionCountChange: isFunction().optional(),
  runtime: having('a Runtime', 'random', 'ids', 'failpoint').optional(),
})

/** What fits alone and not together. Beside the schema, whose own such checks wait until all else fits. */
function contradictions(given: Partial<ProducerOptions>): readonly Problem[] {
  const problems: Problem[] = []
  const add = (path: string, message: string): void => void problems.push({ path, message })
  const { lingerMs = 0, deliveryTimeoutMs = DELIVERY_TIMEOUT_MS, maxBatchBytes } = given
  const { maxRequestBytes = MAX_REQUEST_BYTES, maxBufferedBytes = MAX_BUFFERED_BYTES } = given
  if (lingerMs >= deliveryTimeoutMs) add('lingerMs', 'must be less than deliveryTimeoutMs')
  if (maxBufferedBytes < maxRequestBytes) add('maxBufferedBytes', 'must be at least maxRequestBytes')
  if (maxBatchBytes !== undefined && maxBatchBytes > maxRequestBytes)
    add('maxBatchBytes', 'must be at most maxRequestBytes')
  if (given.transactionTimeoutMs !== undefined && given.transactionalId === undefined) {
    add('transactionTimeoutMs', 'needs transactionalId')
  }
  return problems
}

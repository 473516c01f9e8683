import { z } from 'zod'
import { HoldfastError } from '../../src/errors/index.ts'
import type { ErrorCode } from '../../src/errors/index.ts'
import type { ProduceOutcome } from '../../src/driver/index.ts'
import type { LogFields, Logger } from '../../src/logger/index.ts'
import type { Producer, ProducerOptions } from '../../src/producer/index.ts'
import { createProducer } from '../../src/producer/index.ts'
import type { Failpoints, InMemoryCluster, VirtualRuntime } from '../../src/testing/index.ts'
import { createInMemoryCluster, failpoints, inMemoryDriver, virtualRuntime } from '../../src/testing/index.ts'
import type { SendableTopic } from '../../src/topic/index.ts'
import { defineTopic } from '../../src/topic/index.ts'
import type { WatchedDriver } from './watched-driver.ts'
import { watchedDriver } from './watched-driver.ts'

/** Values are texts like `k1:a`, and what stands before the colon is the key. */
export const letters: SendableTopic<string, string> = defineTopic({
  name: 'letters',
  schema: z.string(),
  key: (value) => value.split(':')[0]!,
})
/** Texts without a key. */
export const notes: SendableTopic<string, string> = defineTopic({ name: 'notes', schema: z.string(), key: 'none' })

/** A working producer on a cluster in memory, in virtual time. */
export interface World {
  readonly producer: Producer
  readonly driver: WatchedDriver
  readonly cluster: InMemoryCluster
  readonly runtime: VirtualRuntime
  readonly points: Failpoints
  readonly lines: string[]
  /** The texts on the log, by partition, oldest first. */
  readonly logOf: (topic: string) => readonly (readonly string[])[]
}

/** Builds a {@link World}; say what differs. */
export function world(options: Partial<ProducerOptions> & { readonly partitions?: number } = {}): World {
  const { partitions = 1, ...given } = options
  const points = failpoints()
  const runtime = virtualRuntime({ failpoint: points.failpoint })
  const cluster = createInMemoryCluster({
    topics: [
      { topic: 'letters', partitions },
      { topic: 'notes', partitions },
    ],
    runtime,
  })
  const driver = watchedDriver(inMemoryDriver({ cluster, clientId: 'shop' }))
  const lines: string[] = []
  const log =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void lines.push(`${level} ${JSON.stringify(fields)} ${message}`)
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const producer = createProducer({ driver, runtime, logger, ...given })
  return {
    producer,
    driver,
    cluster,
    runtime,
    points,
    lines,
    logOf(topic) {
      const byPartition: string[][] = []
      for (const { partition, value } of cluster.records(topic)) {
        const text = value === null ? 'null' : (JSON.parse(Buffer.from(value).toString()) as string)
        ;(byPartition[partition] ??= []).push(text)
      }
      return Array.from({ length: byPartition.length }, (_, i) => byPartition[i] ?? [])
    },
  }
}

/** The same failure for each record of a batch. */
export function refuse(
  records: readonly unknown[],
  code: ErrorCode,
  retriable: boolean = false,
): readonly ProduceOutcome[] {
  return records.map(() => ({ ok: false, error: new HoldfastError(code, 'planned', { retriable }) }))
}

export { failureOf } from '../helpers/failure-of.ts'

import { z } from 'zod'
import type { Consumer, ConsumerOptions } from '../../src/consumer/index.ts'
import { createConsumer } from '../../src/consumer/index.ts'
import type { Logger } from '../../src/logger/index.ts'
import type { Headers, InboundRecord } from '../../src/record/index.ts'
import type {
  Failpoints,
  InMemoryCluster,
  InMemoryClusterOptions,
  InMemoryDriver,
  VirtualRuntime,
} from '../../src/testing/index.ts'
import { createInMemoryCluster, failpoints, inMemoryDriver, virtualRuntime } from '../../src/testing/index.ts'
import { defineTopic } from '../../src/topic/index.ts'

export const orders = defineTopic({
  name: 'orders',
  schema: z.object({ id: z.string(), n: z.number().default(0) }),
  key: (order) => order.id,
})

/** A Kafka in memory, virtual time, and consumers of one group on it. */
export interface World {
  readonly cluster: InMemoryCluster
  readonly runtime: VirtualRuntime
  readonly points: Failpoints
  readonly logged: { readonly level: string; readonly fields: object; readonly message: string }[]
  readonly logger: Logger
  /** A consumer in a "process" of its own; time, log and failpoints are shared. */
  readonly consumer: (options?: Partial<ConsumerOptions> & { readonly process?: string }) => Consumer
  readonly driver: (process?: string) => InMemoryDriver
  /** Appends JSON values, or bytes, to a partition. */
  readonly append: (values: readonly unknown[], options?: AppendOptions) => void
  /** What the group has committed for a partition of `orders`. */
  readonly committed: (partition?: number) => bigint | undefined
  /** Values on `orders.dlq`, with their headers as text. */
  readonly deadLetters: () => readonly { readonly record: InboundRecord; readonly headers: Record<string, string> }[]
  readonly start: (consumer: Consumer) => Promise<void>
}

export interface AppendOptions {
  readonly topic?: string
  readonly partition?: number
  readonly key?: string | null
  readonly headers?: Headers
}

export const GROUP = 'inventory'

export function world(
  options: { readonly partitions?: number; readonly rebalance?: InMemoryClusterOptions['rebalance'] } = {},
): World {
  const points = failpoints()
  const runtime = virtualRuntime({ failpoint: points.failpoint })
  const partitions = options.partitions ?? 1
  const cluster = createInMemoryCluster({
    runtime,
    rebalance: options.rebalance ?? 'eager',
    topics: [
      { topic: 'orders', partitions },
      { topic: 'orders.dlq', partitions },
    ],
  })
  const logged: World['logged'] = []
  const log = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message })
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const driver = (process = 'one'): InMemoryDriver => inMemoryDriver({ clientId: process, cluster })
  return {
    cluster,
    runtime,
    points,
    logged,
    logger,
    driver,
    consumer({ process, ...rest } = {}) {
      return createConsumer({ driver: driver(process), groupId: GROUP, runtime, logger, ...rest })
    },
    append(values, { topic = 'orders', partition = 0, key = 'k', headers = [] } = {}) {
      cluster.append(
        values.map((value) => ({
          topic,
          partition,
          key: key === null ? null : Buffer.from(key),
          value: value === null || value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value)),
          headers,
          timestamp: 1_700_000_000_000n,
        })),
      )
    },
    committed(partition = 0) {
      return cluster.committed(GROUP).find((each) => each.topic === 'orders' && each.partition === partition)?.offset
    },
    deadLetters: () =>
      cluster.records('orders.dlq').map((record) => ({
        record,
        headers: Object.fromEntries(record.headers.map(([name, value]) => [name, Buffer.from(value ?? '').toString()])),
      })),
    start: (consumer) => runtime.run(consumer.start()),
  }
}

/** A promise and its ends, to hold a handler where a test wants it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

export const ids = (count: number, from = 1): readonly { readonly id: string }[] =>
  Array.from({ length: count }, (_, i) => ({ id: `o-${from + i}` }))

import type { KafkaConfig } from 'kafkajs'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { DriverProducer, DriverTransaction, ProduceBatch, ProduceOutcome } from '../../../src/driver/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { silentLogger } from '../../../src/logger/index.ts'

/** Our producer on real surroundings; one with a `transactionalId` makes transactions. */
export function ourProducer(
  brokers: readonly string[],
  options: { readonly config?: Partial<KafkaConfig>; readonly transactionalId?: string } = {},
): DriverProducer {
  return kafkajsDriver({ brokers: [...brokers], ...options.config }).createProducer({
    runtime: systemRuntime,
    logger: silentLogger,
    ...(options.transactionalId === undefined ? {} : { transactionalId: options.transactionalId }),
  })
}

/** A batch of plain values. */
export function batchOf(topic: string, partition: number, values: readonly (string | Buffer)[]): ProduceBatch {
  const timestamp = BigInt(Date.now())
  const records = values.map((value) => ({
    topic,
    partition,
    key: null,
    value: Buffer.from(value),
    headers: [],
    timestamp,
  }))
  return { topic, partition, records, compression: 'none' }
}

/** How a call ended, in short: the offset of each record, or the code of its error. */
export async function send(
  producer: DriverProducer | DriverTransaction,
  batch: ProduceBatch,
  timeoutMs: number = 20_000,
): Promise<string[]> {
  return shorten(await producer.produce(batch, { timeoutMs }))
}

/** Offsets and codes. */
export function shorten(outcomes: readonly ProduceOutcome[]): string[] {
  return outcomes.map((outcome) => (outcome.ok ? String(outcome.offset) : outcome.error.code))
}

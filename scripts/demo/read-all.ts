import type { Kafka } from 'kafkajs'
import type { Place } from './audit.ts'

/** A record as bare kafkajs reads it. */
export interface ReadRecord {
  readonly place: Place
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** The record's timestamp. */
  readonly atMs: number
  /** The last value of a header. */
  readonly text: (name: string) => string | undefined
}

/** Reads topics from their first record, or from the places given, to where they end now; each partition in its order. */
export async function readAll(
  kafka: Kafka,
  topics: readonly string[],
  from: readonly Place[] = [],
): Promise<readonly ReadRecord[]> {
  const admin = kafka.admin()
  await admin.connect()
  const missing = new Map<string, bigint>() // partition -> the offset that must still come
  const begin = new Map(from.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
  try {
    for (const topic of topics) {
      for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
        const first = begin.get(`${topic}/${partition}`) ?? BigInt(low)
        if (BigInt(high) > first) missing.set(`${topic}/${partition}`, BigInt(high))
      }
    }
  } finally {
    await admin.disconnect()
  }
  if (missing.size === 0) return []

  const records: ReadRecord[] = []
  const consumer = kafka.consumer({ groupId: `demo-audit-${process.pid}-${Date.now()}` })
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
      consumer
        .run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            const { topic, partition } = batch
            const first = begin.get(`${topic}/${partition}`) ?? 0n
            for (const message of batch.messages) {
              if (BigInt(message.offset) < first) continue
              records.push({
                place: { topic, partition, offset: BigInt(message.offset) },
                key: message.key,
                value: message.value,
                atMs: Number(message.timestamp),
                text: (name) => {
                  const header = message.headers?.[name]
                  const last = Array.isArray(header) ? header.at(-1) : header
                  return last === undefined ? undefined : String(last)
                },
              })
            }
            const end = missing.get(`${topic}/${partition}`)
            if (end !== undefined && BigInt(batch.lastOffset()) + 1n >= end) missing.delete(`${topic}/${partition}`)
            if (missing.size === 0) resolve()
          },
        })
        .catch(reject)
      for (const { topic, partition, offset } of from) consumer.seek({ topic, partition, offset: String(offset) })
    })
  } finally {
    await consumer.disconnect()
  }
  return records
}

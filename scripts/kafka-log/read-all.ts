import { randomUUID } from 'node:crypto'
import type { IHeaders, Kafka } from 'kafkajs'
import { readCommittedAlone } from './committed-alone.ts'

/** Where a record stands. */
export interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** A record as bare kafkajs reads it. */
export interface ReadRecord {
  readonly place: Place
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** The record's timestamp. */
  readonly atMs: number
  /** In the order in which kafkajs gives them: repeated names stand together. */
  readonly headers: readonly (readonly [name: string, value: Buffer])[]
  /** The last value of a header. */
  readonly text: (name: string) => string | undefined
}

/**
 * Reads topics from their first record, or from the places given, to where they end now; each partition in its order. What was rolled
 * back is not among them.
 */
export async function readAll(
  kafka: Kafka,
  topics: readonly string[],
  from: readonly Place[] = [],
): Promise<readonly ReadRecord[]> {
  readCommittedAlone()
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
  const consumer = kafka.consumer({ groupId: `reader-${randomUUID()}` })
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      const arrived = (topic: string, partition: number, last: bigint): void => {
        const end = missing.get(`${topic}/${partition}`)
        if (end !== undefined && last + 1n >= end) missing.delete(`${topic}/${partition}`)
        if (missing.size === 0) resolve()
      }
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
      // Markers and rolled back records at the end of a log never reach eachBatch.
      consumer.on('consumer.start_batch_process', ({ payload }) => {
        if (payload.batchSize === 0) arrived(payload.topic, payload.partition, BigInt(payload.lastOffset))
      })
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
                headers: headersOf(message.headers),
                text: (name) => {
                  const header = message.headers?.[name]
                  const last = Array.isArray(header) ? header.at(-1) : header
                  return last === undefined ? undefined : String(last)
                },
              })
            }
            arrived(topic, partition, BigInt(batch.lastOffset()))
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

function headersOf(headers: IHeaders | undefined): readonly (readonly [string, Buffer])[] {
  return Object.entries(headers ?? {}).flatMap(([name, values]) =>
    [values ?? []].flat().map((value) => [name, Buffer.from(value)] as const),
  )
}

import { randomBytes } from 'node:crypto'
import type { Kafka } from 'kafkajs'

/**
 * Has a broker compacted the first partition of a topic? It has when no key comes twice in it, its last record left aside, which a broker
 * does not look at as long as nothing follows it. Reads it to see.
 */
export async function isCompacted(kafka: Kafka, topic: string): Promise<boolean> {
  const admin = kafka.admin()
  await admin.connect()
  const [range] = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect())
  const last = BigInt(range!.high) - 1n
  const consumer = kafka.consumer({ groupId: `conformance-${randomBytes(5).toString('hex')}`, maxWaitTimeInMs: 100 })
  const keys: string[] = []
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
      const eachMessage = async ({ message }: { message: { key: Buffer | null; offset: string } }): Promise<void> => {
        if (BigInt(message.offset) >= last) resolve()
        else keys.push(String(message.key))
      }
      consumer.run({ autoCommit: false, eachMessage }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
  return new Set(keys).size === keys.length
}

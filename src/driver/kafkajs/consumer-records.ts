import type { KafkaMessage } from 'kafkajs'
import type { InboundRecord, TopicPartition } from '../../record/index.ts'
import { fromKafkajsHeaders } from './inbound-headers.ts'

/**
 * The messages of a kafkajs batch as records. Keys and values are views on the fetched bytes, nothing is copied: a record
 * that is kept keeps the whole response it came in.
 */
export function toInboundRecords(
  { topic, partition }: TopicPartition,
  messages: readonly KafkaMessage[],
): InboundRecord[] {
  const records: InboundRecord[] = []
  let lastTimestamp = ''
  let timestamp = 0n
  for (const message of messages) {
    if (message.timestamp !== lastTimestamp) {
      lastTimestamp = message.timestamp // neighbours mostly share theirs; parsing 64 bits of text is what costs here
      timestamp = BigInt(lastTimestamp)
    }
    records.push({
      topic,
      partition,
      offset: BigInt(message.offset),
      key: message.key ?? null,
      value: message.value ?? null,
      headers: fromKafkajsHeaders(message.headers),
      timestamp,
    })
  }
  return records
}

import type { KafkaMessage } from 'kafkajs'
import type { InboundRecord, TopicPartition } from '../../record/index.ts'
import type { Fetched, FetchResponse } from './fetch-decoding.ts'

/** A fetch response as kafkajs decodes it, of which a partition is in the format that Kafka had before 0.11: no headers, no transactions. */
export function oldFormat(decoded: unknown): FetchResponse {
  const { clientSideThrottleTime = 0, responses } = decoded as KafkajsFetchResponse
  return {
    clientSideThrottleTime,
    responses: responses.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ preferredReadReplica = -1, messages, ...partition }) => ({
        ...partition,
        preferredReadReplica,
        fetched: messages.length === 0 ? null : fetched(messages),
      })),
    })),
  }
}

interface KafkajsFetchResponse {
  readonly clientSideThrottleTime?: number
  readonly responses: ReadonlyArray<{
    readonly topicName: string
    readonly partitions: ReadonlyArray<{
      readonly partition: number
      readonly errorCode: number
      readonly highWatermark: string
      readonly preferredReadReplica?: number
      readonly messages: readonly KafkaMessage[]
    }>
  }>
}

function fetched(messages: readonly KafkaMessage[]): Fetched {
  return {
    lastOffset: BigInt(messages.at(-1)!.offset),
    records: (partition, from) =>
      messages.map((each) => toRecord(each, partition)).filter(({ offset }) => offset >= from),
  }
}

function toRecord({ offset, key, value, timestamp }: KafkaMessage, of: TopicPartition): InboundRecord {
  const { topic, partition } = of
  return { topic, partition, offset: BigInt(offset), key, value, headers: [], timestamp: BigInt(timestamp) }
}

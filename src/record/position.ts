/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** The place of one record. */
export interface Position extends TopicPartition {
  /** Sparse: transaction markers, compaction and aborted records leave gaps. */
  readonly offset: bigint
}

/** The place of a record, and nothing else of it. */
export function positionOf({ topic, partition, offset }: Position): Position {
  return { topic, partition, offset }
}

/** `orders[3]`: how messages and logs name a partition. Also a map key: a topic name has no brackets. */
export function formatPartition({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`
}

/** `orders[3]@4711`: how messages and logs name a record. */
export function formatPosition({ topic, partition, offset }: Position): string {
  return `${topic}[${partition}]@${offset}`
}

import type { Position } from '../record/index.ts'

/** A topic to make. */
export interface NewTopic {
  readonly topic: string
  /** @defaultValue `1` */
  readonly partitions?: number
  /** @defaultValue the broker's own default */
  readonly replicationFactor?: number
  /** Topic settings by Kafka's names, such as `cleanup.policy`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** The questions and orders that go to the cluster beside reading and writing. */
export interface DriverAdmin {
  connect(): Promise<void>
  /** Partition counts of the topics that exist; a topic that does not is absent. */
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** Makes the topics that do not exist yet; resolves when they have leaders. */
  createTopics(topics: readonly NewTopic[]): Promise<void>
  /** Where each partition of a topic begins and ends: the first offset on the log, and the one that comes next. */
  offsetRanges(
    topic: string,
  ): Promise<ReadonlyArray<{ readonly partition: number; readonly earliest: bigint; readonly latest: bigint }>>
  /** The first offset of each partition at or after a time (milliseconds since the epoch); its end where there is none. */
  offsetsAt(topic: string, timestampMs: number): Promise<readonly Position[]>
  /** What a group has committed; partitions without a commit are absent, and so are topics that do not exist. */
  committedOffsets(
    groupId: string,
    topics: readonly string[],
  ): Promise<ReadonlyArray<Position & { readonly metadata: string }>>
  close(): Promise<void>
}

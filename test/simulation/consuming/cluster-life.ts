import type { Position, TopicPartition } from '../../../src/record/index.ts'
import { formatPartition } from '../../../src/record/index.ts'
import type { Simulation } from '../../../src/testing/simulation/index.ts'
import type { Placed, PlacedRecords } from '../placed-records.ts'
import type { TopicPlan } from './plan.ts'

/** What happens to topics beside what is written: they grow, and forget. */
export interface ClusterLife {
  partitionsOf(topic: TopicPlan): number
  partitions(): readonly TopicPartition[]
  /** The lowest offset that is still on the log. */
  startOf(partition: TopicPartition): bigint
  /** Leaves a gap behind a record, as compaction and transaction markers do. */
  leaveGap(behind: Placed): void
  /** Adds a partition, to the dead letter topic first: it must never have fewer. */
  grow(topic: TopicPlan): void
  /** Drops the older part of a partition, whether it was handled or not. */
  expire(topic: TopicPlan, onGone: (placed: Placed) => void): void
}

/** Makes the topics of a plan, with one for their dead letters. */
export function createClusterLife(
  { cluster, int, note }: Simulation,
  topics: readonly TopicPlan[],
  placed: PlacedRecords,
): ClusterLife {
  const counts = new Map(topics.map(({ name, partitions }) => [name, partitions]))
  const starts = new Map<string, bigint>()
  for (const { name, partitions } of topics) {
    cluster.createTopic({ topic: name, partitions })
    cluster.createTopic({ topic: `${name}.dlq`, partitions })
  }
  const partitionsOf = ({ name }: TopicPlan): number => counts.get(name)!
  const startOf = (partition: TopicPartition): bigint => starts.get(formatPartition(partition)) ?? 0n

  return {
    partitionsOf,
    partitions: () =>
      [...counts].flatMap(([topic, count]) => Array.from({ length: count }, (_, partition) => ({ topic, partition }))),
    startOf,
    leaveGap: ({ topic, partition, offset }) =>
      cluster.skipOffsetsTo({ topic, partition, offset: offset + 2n + BigInt(int(3)) }),
    grow(topic) {
      const count = partitionsOf(topic) + 1
      note(`nemesis: ${topic.name} grows to ${count} partitions`)
      counts.set(topic.name, count)
      cluster.addPartitions(`${topic.name}.dlq`, count)
      cluster.addPartitions(topic.name, count)
    },
    expire(topic, onGone) {
      const partition = { topic: topic.name, partition: int(partitionsOf(topic)) }
      const records = placed.of(partition)
      const last = records[int(Math.max(1, records.length))]
      if (last === undefined || last.offset < startOf(partition)) return
      const start: Position = { ...partition, offset: last.offset + 1n }
      note(`nemesis: ${formatPartition(partition)} begins at ${start.offset} from now on`)
      for (const each of records) if (each.offset < start.offset) onGone(each)
      starts.set(formatPartition(partition), start.offset)
      cluster.deleteRecordsBefore(start)
    },
  }
}

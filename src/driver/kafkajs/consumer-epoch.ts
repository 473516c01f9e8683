import type { TopicPartition } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { MemberIdentity } from './consumer-coordinator.ts'
import type { ReadingPosition } from './consumer-position.ts'

/** One partition in one assignment. */
export interface PartitionState extends TopicPartition, ReadingPosition {
  readonly key: string
  /** Does kafkajs fetch it? */
  flowing: boolean
}

/** One assignment of this member, with the identity under which the group gave it. */
export interface Epoch extends MemberIdentity {
  readonly number: number
  readonly partitions: ReadonlyMap<string, PartitionState>
  /**
   * `assigning`: the start positions are not known yet. `revoking`: nothing is delivered any more, commits still count. `ended`:
   * the partitions may be somebody else's.
   */
  phase: 'assigning' | 'reading' | 'revoking' | 'ended'
  /** Has the core heard of it? Only then it hears of its end. */
  announced: boolean
  /** Aborts when the epoch ends. */
  readonly over: AbortController
}

/** An assignment as kafkajs reports it: partition numbers by topic. */
export type KafkajsAssignment = Readonly<Record<string, readonly number[]>>

/** Makes the epoch of a new assignment: nothing flows yet. */
export function createEpoch(number: number, identity: MemberIdentity, assignment: KafkajsAssignment): Epoch {
  const partitions = new Map<string, PartitionState>()
  for (const [topic, numbers] of Object.entries(assignment)) {
    for (const partition of numbers) {
      const key = formatPartition({ topic, partition })
      partitions.set(key, { topic, partition, key, next: null, flowing: false })
    }
  }
  const { memberId, generation } = identity
  return { number, memberId, generation, partitions, phase: 'assigning', announced: false, over: new AbortController() }
}

/** The partitions of an epoch, as the core knows them. */
export function partitionsOf(epoch: Epoch): readonly TopicPartition[] {
  return [...epoch.partitions.values()].map(({ topic, partition }) => ({ topic, partition }))
}

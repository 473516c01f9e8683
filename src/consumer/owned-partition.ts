import type { Position, TopicPartition } from '../record/index.ts'
import type { BufferBound } from './back-pressure.ts'
import type { Epoch } from './epoch.ts'
import type { PartitionLoop } from './partition-loop.ts'
import type { Preparation } from './rebalance-hooks.ts'

/** One partition that is owned. */
export interface OwnedPartition {
  readonly epoch: Epoch
  /** Null until the start position is known. */
  readonly loop: PartitionLoop | null
  /** Its position is not on the log any more; null when it is. */
  readonly outOfRange: string | null
  /** What the user loads for it. */
  readonly preparation: Preparation
}

/** As its assignment sees it. */
export interface Owned extends OwnedPartition {
  loop: PartitionLoop | null
  bound: BufferBound | null
  outOfRange: string | null
  preparation: Preparation
  /** Those that came together and are still here; aborts when the last of them goes. */
  readonly stay: Stay
  /** It drains for good; null while it stays. */
  going: Promise<void> | null
  /** A seek has not been committed yet. */
  moving: boolean
  /** Called when all that is held is worked off; null when nobody asks. */
  onEmpty: (() => void) | null
}

/** Partitions that came together. */
export interface Stay {
  readonly here: Set<string>
  readonly over: AbortController
}

/** Its place, and nothing else of it. */
export function partitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

/** Up to where it is finished. It has its start position. */
export function standingOf(epoch: Epoch): Position {
  return { ...partitionOf(epoch), offset: epoch.tracker!.watermark() }
}

import { decodeFinishedRanges } from '../../consumer/index.ts'
import type { CommitOffset, Driver } from '../../driver/index.ts'
import type { Position } from '../../record/index.ts'

/** A commit on its way to the cluster. */
export interface WatchedCommit {
  readonly offsets: readonly CommitOffset[]
  /** Does it say of the record there that it has its outcome: below the offset, or in a finished range above it? */
  covers(position: Position): boolean
}

/** The same driver, whose consumers' commits are told before they go. */
export function watchCommits<D extends Driver>(driver: D, onCommit: (commit: WatchedCommit) => void): D {
  return {
    ...driver,
    createConsumer(options) {
      const consumer = driver.createConsumer(options)
      return {
        ...consumer,
        commit(offsets) {
          onCommit({ offsets, covers: (position) => offsets.some((offset) => says(offset, position)) })
          return consumer.commit(offsets)
        },
      }
    },
  }
}

function says(commit: CommitOffset, { topic, partition, offset }: Position): boolean {
  if (commit.topic !== topic || commit.partition !== partition) return false
  if (offset < commit.offset) return true
  const ranges = decodeFinishedRanges(commit.offset, commit.metadata ?? '')
  return ranges.some(({ first, last }) => offset >= first && offset <= last)
}

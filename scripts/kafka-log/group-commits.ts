import type { Place } from './read-all.ts'

/** Where Kafka itself writes down every commit of every group: what a group has committed in between is seen too. */
export const COMMITS_TOPIC = '__consumer_offsets'

/** A commit that the broker has taken: the next offset to read. */
export interface GroupCommit extends Place {
  readonly group: string
}

/** Kafka's own format (`OffsetCommitKey`, `OffsetCommitValue`); undefined for the records about members. */
export function decodeCommit(key: Buffer, value: Buffer): GroupCommit | undefined {
  if (key.readInt16BE(0) > 1) return undefined
  let at = 2
  const text = (): string => {
    const length = key.readInt16BE(at)
    at += 2 + length
    return key.toString('utf8', at - length, at)
  }
  const group = text()
  const topic = text()
  return { group, topic, partition: key.readInt32BE(at), offset: value.readBigInt64BE(2) }
}

import type { Position, TopicPartition } from '../../src/record/index.ts'
import { formatPartition, formatPosition } from '../../src/record/index.ts'
import type { Simulation } from '../../src/testing/simulation/index.ts'
import { orderBytes } from './order.ts'

/** A record on the log, and what it is for its consumers. */
export interface Placed extends Position {
  readonly id: number
  readonly key: string | null
  /** Cannot be decoded, when garbled. */
  readonly kind: 'order' | 'tombstone' | 'garbled'
  /** As consumers name it: its own id, or its place. */
  readonly messageId: string
  /** The messages whose order counts beside its own. */
  readonly lane: string
}

/** What is to be placed. */
export interface Placement extends TopicPartition {
  readonly key: string | null
  readonly kind: Placed['kind']
  /** Without one it is recognised by its place. */
  readonly withId: boolean
  /** It is the same message as this one, sent again. */
  readonly again?: Placed
}

/** Records that were written past every client. */
export interface PlacedRecords {
  readonly all: readonly Placed[]
  /** In the order of their offsets. */
  of(partition: TopicPartition): readonly Placed[]
  at(position: Position): Placed
  named(messageId: string): Placed | undefined
  place(what: Placement): Placed
}

/** Makes {@link PlacedRecords}: none yet. */
export function createPlacedRecords({ cluster }: Simulation): PlacedRecords {
  const all: Placed[] = []
  const partitions = new Map<string, Placed[]>()
  const places = new Map<string, Placed>()
  const names = new Map<string, Placed>()
  return {
    all,
    of: (partition) => partitions.get(formatPartition(partition)) ?? [],
    at: (position) => places.get(formatPosition(position))!,
    named: (messageId) => names.get(messageId),
    place({ topic, partition, key, kind, withId, again }) {
      const id = all.length
      const ownId = again?.messageId ?? `m-${id}`
      const [position] = cluster.append([
        {
          topic,
          partition,
          key: key === null ? null : Buffer.from(key),
          value: kind === 'order' ? orderBytes(id) : kind === 'tombstone' ? null : Buffer.from(`{"id":${id}`),
          timestamp: 0n,
          headers: withId ? [['holdfast-id', Buffer.from(ownId)]] : [],
        },
      ])
      const { offset } = position!
      const name = formatPartition({ topic, partition })
      const messageId = withId ? ownId : formatPosition({ topic, partition, offset })
      const placed: Placed = { id, topic, partition, offset, key, kind, messageId, lane: `${name}/${key ?? ''}` }
      all.push(placed)
      const list = partitions.get(name)
      if (list === undefined) partitions.set(name, [placed])
      else list.push(placed)
      places.set(formatPosition(placed), placed)
      if (again === undefined) names.set(messageId, placed)
      return placed
    },
  }
}

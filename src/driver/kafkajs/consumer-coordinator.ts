import type { Broker, Cluster } from 'kafkajs'
import type { Failpoint } from '../../clock/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { TopicPartition } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { CommitOffset } from '../driver-consumer.ts'
import { holdfastError, readFailure, toHoldfastError } from './kafkajs-errors.ts'

/** Who a member is within one generation of its group: what the group checks a commit and a heartbeat against. */
export interface MemberIdentity {
  readonly memberId: string
  readonly generation: number
}

/** What a group has stored for a partition. */
export interface Committed {
  readonly offset: bigint
  readonly metadata: string
}

/** How a heartbeat ended. */
export type Beat = 'alive' | 'rebalancing' | 'lost' | 'unanswered'

/**
 * The coordinator of a group, asked in the name of a given generation. kafkajs' own `commitOffsets` and the batch's
 * `commitOffsetsIfNecessary` take the generation of the moment they run, which after a rejoin is one that says nothing about
 * the partition: the group would accept a late commit for a partition that another member owns.
 */
export interface GroupCoordinator {
  /** What the group has committed; a partition without a commit is absent. */
  committed(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, Committed>>
  /** @throws HOLDFAST_EPOCH_LOST, HOLDFAST_UNAVAILABLE, HOLDFAST_INDETERMINATE, HOLDFAST_REFUSED */
  commit(identity: MemberIdentity, offsets: readonly CommitOffset[]): Promise<void>
  /** Never rejects. */
  heartbeat(identity: MemberIdentity): Promise<Beat>
  /** Takes a member out of the group. Never rejects. */
  leave(memberId: string): Promise<void>
  /** The broker that is asked may hang: the next request looks the coordinator up again. */
  forget(): void
  /** Where a partition begins and ends. */
  range(partition: TopicPartition): Promise<{ readonly earliest: bigint; readonly latest: bigint }>
}

/** The part of kafkajs' cluster that is used here; the consumer's own comes with the public `partitionAssigners` option. */
export type CoordinatorCluster = Pick<Cluster, 'findGroupCoordinator' | 'fetchTopicsOffset'>

/** Makes a {@link GroupCoordinator} on the connections of a kafkajs consumer. Connects nothing until asked. */
export function createGroupCoordinator(
  cluster: CoordinatorCluster,
  groupId: string,
  failpoint: Failpoint,
): GroupCoordinator {
  let known: CoordinatorBroker | undefined

  const find = async (): Promise<CoordinatorBroker> => {
    if (known?.isConnected() === true) return known
    try {
      known = (await cluster.findGroupCoordinator({ groupId })) as CoordinatorBroker
    } catch (error) {
      throw toHoldfastError(error, 'connect', `the coordinator of group ${groupId}`) // nothing was sent: no commit can have happened
    }
    return known
  }

  /** Asks; once more where the group has moved to another broker, which means that the first one did nothing. */
  const ask = async <T>(request: (broker: CoordinatorBroker) => Promise<T>): Promise<T> => {
    const broker = await find()
    try {
      return await request(broker)
    } catch (error) {
      const { type } = readFailure(error)
      // Without an answer the broker may be dead, or hang with its connection open, and the group be with another by now.
      if (type === undefined || MOVED.has(type)) known = undefined
      if (type === undefined || !MOVED.has(type)) throw error
    }
    return request(await find())
  }

  return {
    async committed(partitions) {
      const stored = new Map<string, Committed>()
      if (partitions.length === 0) return stored
      const topics = byTopic(partitions, ({ partition }) => ({ partition, offset: '' }))
      const { responses } = await ask((broker) => broker.offsetFetch({ groupId, topics }))
      for (const { topic, partitions: answers } of responses) {
        for (const { partition, offset, metadata } of answers as readonly StoredOffset[]) {
          if (BigInt(offset) < 0n) continue // -1: nothing stored; below: a reset that another client left behind
          stored.set(formatPartition({ topic, partition }), { offset: BigInt(offset), metadata: metadata ?? '' })
        }
      }
      return stored
    },
    async commit({ memberId, generation }, offsets) {
      const topics = byTopic(offsets, ({ partition, offset, metadata = null }) => ({
        partition,
        offset: `${offset}`,
        metadata,
      }))
      await find() // before the failpoint: from there on the request may be on its way
      await failpoint('kafkajs-consumer:commit')
      try {
        await ask((broker) => broker.offsetCommit({ groupId, groupGenerationId: generation, memberId, topics }))
      } catch (error) {
        if (HoldfastError.is(error)) throw error
        const subject = `group ${groupId}`
        const { type } = readFailure(error)
        if (type !== undefined && MOVED.has(type)) throw holdfastError('HOLDFAST_UNAVAILABLE', error, 'commit', subject)
        throw toHoldfastError(error, 'commit', subject)
      }
    },
    async heartbeat({ memberId, generation }) {
      try {
        await ask((broker) => broker.heartbeat({ groupId, groupGenerationId: generation, memberId }))
        return 'alive'
      } catch (error) {
        const type = readFailure(error).type ?? ''
        if (type === 'REBALANCE_IN_PROGRESS') return 'rebalancing' // the session goes on: the group counts this as a heartbeat
        return LOST.has(type) ? 'lost' : 'unanswered'
      }
    },
    async leave(memberId) {
      await ask((broker) => broker.leaveGroup({ groupId, memberId })).catch(() => {}) // the session ends it then
    },
    forget: () => void (known = undefined),
    async range({ topic, partition }) {
      const ask = { topic, partitions: [{ partition }] }
      const earliest = await cluster.fetchTopicsOffset([{ ...ask, fromBeginning: true }])
      const latest = await cluster.fetchTopicsOffset([{ ...ask, fromBeginning: false }])
      return { earliest: firstOffset(earliest), latest: firstOffset(latest) }
    },
  }
}

/** kafkajs has the method, its types do not. */
type CoordinatorBroker = Broker & {
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
}

interface StoredOffset {
  readonly partition: number
  readonly offset: string
  readonly metadata?: string | null
}

/** The broker answered that the group is not with it, or not yet: it did nothing. Read in kafkajs' `protocol/error.js`. */
export const MOVED: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
])

/** The group knows this member, or this generation of it, no more. */
const LOST: ReadonlySet<string> = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'])

/** The shape that kafkajs wants lists of partitions in. */
export function byTopic<P extends TopicPartition, T>(
  partitions: readonly P[],
  convert: (partition: P) => T,
): { topic: string; partitions: T[] }[] {
  const topics = new Map<string, T[]>()
  for (const partition of partitions) {
    const list = topics.get(partition.topic)
    if (list === undefined) topics.set(partition.topic, [convert(partition)])
    else list.push(convert(partition))
  }
  return [...topics].map(([topic, list]) => ({ topic, partitions: list }))
}

function firstOffset(topics: readonly { readonly partitions: readonly { readonly offset: string }[] }[]): bigint {
  return BigInt(topics[0]!.partitions[0]!.offset)
}

import type { Clock, Timer } from '../../clock/index.ts'
import type { CommitOffset } from '../../driver/index.ts'
import type { Position, TopicPartition } from '../../record/index.ts'
import { cooperative, roundRobin } from './assigning.ts'
import { formatPartition } from '../../record/index.ts'
import { refusals } from './refusals.ts'

/** What a group remembers of a partition. */
export type CommittedOffset = Position & { readonly metadata: string }

/** A member as its group sees it. */
export interface GroupMember {
  readonly memberId: string
  readonly clientId: string
  readonly topics: readonly string[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** The group rebalances: join again, having given back all when the protocol is eager. */
  onRebalance(): void
  onAssignment(generation: number, partitions: readonly TopicPartition[]): void
  /** Ends the client's consumer as a bug in it would. For tests. */
  crash(): void
}

/**
 * What a rebalance takes from members. `eager`: all they have, then each gets its share. `cooperative`: what goes to another member, and
 * nothing else.
 */
export type RebalanceProtocol = 'eager' | 'cooperative'

/** What a group answers to a heartbeat. */
export type HeartbeatAnswer = 'stable' | 'rebalance' | 'unknown'

/** A member and what it was given in the present generation. */
export interface MemberAssignment {
  readonly memberId: string
  readonly clientId: string
  readonly partitions: readonly TopicPartition[]
}

/** The coordinator of one consumer group: classic protocol. What clients ask throws while it loads. */
export interface Group {
  /** Takes a member in, or takes note that it is ready for the next generation. False when it had joined, and was removed since. */
  join(member: GroupMember, rejoins: boolean): boolean
  leave(memberId: string): void
  /** Ends a session, without a word to the member. One that waits for the answer to its join has none. */
  expire(memberId: string): void
  /** Keeps the session alive. `rebalance`: give back and join again; `unknown`: the membership is over. */
  heartbeat(memberId: string): HeartbeatAnswer
  /**
   * Stores offsets. As on a real broker, member and generation are checked and the ownership of the partition is not.
   *
   * @throws HOLDFAST_EPOCH_LOST: nothing is stored. HOLDFAST_REFUSED when metadata is over 4,096 UTF-16 units (how brokers count
   * their `offset.metadata.max.bytes`), HOLDFAST_TOPIC_UNKNOWN when a partition is not there: that one is not stored, the others are.
   */
  commit(memberId: string, generation: number, offsets: readonly CommitOffset[]): void
  /** What is stored, for tests. */
  committed(): readonly CommittedOffset[]
  /** What is stored, for clients. */
  fetchCommitted(): readonly CommittedOffset[]
  /**
   * While it loads what it has stored, as after a move to another broker, clients are told to ask again; no session ends, and each begins
   * anew after it.
   */
  setLoading(on: boolean): void
  members(): readonly MemberAssignment[]
  /** Starts a rebalance when somebody reads this topic. */
  topicChanged(topic: string): void
  /** Forgets what was committed for a topic that is no more. */
  topicDeleted(topic: string): void
  /** Ends members' consumers by itself; for tests. */
  crash(memberId?: string): void
  /** Stores an offset from outside, as an operator's tool does. */
  setCommitted(offset: CommittedOffset): void
}

interface Seat {
  readonly member: GroupMember
  /** Ready for the next generation, and waiting for it: its session cannot end meanwhile. */
  joined: boolean
  session: Timer | null
  partitions: readonly TopicPartition[]
}

const MAX_METADATA_LENGTH = 4_096

/** Makes an empty {@link Group}. `partitionCount` answers for topics that exist; 0 for others. */
export function createGroup(
  groupId: string,
  clock: () => Clock,
  partitionCount: (topic: string) => number,
  protocol: RebalanceProtocol = 'eager',
): Group {
  const seats = new Map<string, Seat>()
  const offsets = new Map<string, CommittedOffset>()
  let generation = 0
  let rebalance: Timer | null = null
  let loading = false
  let putOff = false // a rebalance that came up while it was loading

  const remove = (memberId: string): void => {
    const seat = seats.get(memberId)
    if (seat === undefined) return
    seat.session?.cancel()
    seats.delete(memberId)
    prepare()
  }

  const prepare = (): void => {
    putOff = loading
    if (loading) return
    if (rebalance === null && seats.size > 0) {
      rebalance = startRebalance()
      for (const seat of seats.values()) {
        if (seat.joined) continue
        seat.member.onRebalance()
      }
    }
    if ([...seats.values()].every((seat) => seat.joined)) complete()
  }

  const startRebalance = (): Timer => {
    const slowest = Math.max(...[...seats.values()].map(({ member }) => member.rebalanceTimeoutMs))
    return clock().after(slowest, complete)
  }

  const refuseWhileLoading = (): void => {
    if (loading) throw refusals.loading(groupId)
  }

  const complete = (): void => {
    rebalance?.cancel()
    rebalance = null
    for (const [memberId, seat] of seats) {
      if (seat.joined) continue
      seat.session?.cancel()
      seats.delete(memberId) // it finds out by its next heartbeat or commit: until then it is a zombie, as in life
    }
    generation++
    assign(seats)
    for (const seat of seats.values()) {
      seat.joined = false
      seat.session = startSession(seat.member)
    }
    for (const seat of seats.values()) seat.member.onAssignment(generation, seat.partitions)
  }

  const assign = (to: ReadonlyMap<string, Seat>): void => {
    const claimants = [...to.values()].map(({ member, partitions }) => ({ ...member, owned: partitions }))
    const shares = (protocol === 'eager' ? roundRobin : cooperative)(claimants, partitionCount)
    for (const [memberId, seat] of to) seat.partitions = shares.get(memberId)!
  }

  const startSession = ({ memberId, sessionTimeoutMs }: GroupMember): Timer =>
    clock().after(sessionTimeoutMs, () => remove(memberId))

  return {
    join(member, rejoins) {
      refuseWhileLoading()
      const seat = seats.get(member.memberId)
      if (seat === undefined && rejoins) return false
      seat?.session?.cancel()
      seats.set(member.memberId, { member, joined: true, session: null, partitions: seat?.partitions ?? [] })
      prepare()
      return true
    },
    leave(memberId) {
      refuseWhileLoading()
      remove(memberId)
    },
    expire(memberId) {
      if (seats.get(memberId)?.joined === false) remove(memberId)
    },
    heartbeat(memberId) {
      refuseWhileLoading()
      const seat = seats.get(memberId)
      if (seat === undefined) return 'unknown'
      if (!seat.joined) {
        seat.session?.cancel()
        seat.session = startSession(seat.member)
      }
      return rebalance !== null && !seat.joined ? 'rebalance' : 'stable'
    },
    commit(memberId, ofGeneration, positions) {
      refuseWhileLoading()
      if (!seats.has(memberId) || ofGeneration !== generation) throw refusals.notAMember(groupId)
      if (positions.some(({ offset }) => offset < 0n)) throw refusals.refused('a committed offset is negative')
      // Each partition is judged by itself, in the same answer: the others are stored, though the client hears of a failure.
      const fits = ({ metadata = '' }: CommitOffset): boolean => metadata.length <= MAX_METADATA_LENGTH
      const exists = ({ topic, partition }: CommitOffset): boolean => partition < partitionCount(topic)
      for (const { topic, partition, offset, metadata = '' } of positions.filter(
        (each) => fits(each) && exists(each),
      )) {
        offsets.set(formatPartition({ topic, partition }), { topic, partition, offset, metadata })
      }
      const unknown = positions.find((each) => !exists(each))
      if (unknown !== undefined) throw refusals.topicUnknown(unknown.topic)
      if (!positions.every(fits)) throw refusals.refused(`commit metadata is over ${MAX_METADATA_LENGTH} characters`)
    },
    committed: () => [...offsets.values()],
    fetchCommitted() {
      refuseWhileLoading()
      return [...offsets.values()]
    },
    setLoading(on) {
      if (on === loading) return
      loading = on
      if (on) rebalance?.cancel()
      else if (rebalance !== null) rebalance = startRebalance()
      for (const seat of seats.values()) {
        seat.session?.cancel()
        if (!on && !seat.joined) seat.session = startSession(seat.member)
      }
      if (!on && putOff) prepare()
    },
    members: () =>
      [...seats.values()].map(({ member, partitions }) => ({
        memberId: member.memberId,
        clientId: member.clientId,
        partitions,
      })),
    topicChanged(topic) {
      if ([...seats.values()].some(({ member }) => member.topics.includes(topic))) prepare()
    },
    topicDeleted(topic) {
      for (const [name, offset] of offsets) if (offset.topic === topic) offsets.delete(name)
    },
    crash(memberId) {
      const victims = [...seats.values()].filter(({ member }) => memberId === undefined || member.memberId === memberId)
      for (const { member } of victims) member.crash()
    },
    setCommitted: (offset) => void offsets.set(formatPartition(offset), offset),
  }
}

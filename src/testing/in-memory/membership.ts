import type { ConsumerCallbacks, DriverConsumerOptions } from '../../driver/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { TopicPartition } from '../../record/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { Broker } from './broker.ts'
import type { CommittedOffset, GroupMember } from './group.ts'
import { patiently } from './patiently.ts'
import type { PartitionReader } from './partition-reader.ts'
import { createPartitionReader } from './partition-reader.ts'
import { refusals } from './refusals.ts'

/** One stay in a group, from `start` to a crash or `stop`, over any number of generations. */
export interface Membership {
  /** The reader of a partition that is owned now. */
  state(partition: TopicPartition): PartitionReader | undefined
  identity(): { readonly memberId: string; readonly generation: number }
  lastHeartbeatAt(): number | null
  ended(): boolean
  /** Leaves the group; no callback comes after this call. */
  leave(): Promise<void>
}

/** What a membership is made of. */
export interface MembershipOptions {
  readonly broker: Broker
  readonly clientId: string
  readonly options: DriverConsumerOptions
  readonly topics: readonly string[]
  readonly callbacks: ConsumerCallbacks
  /** Partitions that are paused, as `formatPartition` names them. */
  readonly paused: ReadonlySet<string>
  readonly nextEpoch: () => number
}

/** Joins the group, and stays in it by itself. */
export function createMembership(membership: MembershipOptions): Membership {
  const { broker, clientId, options, topics, callbacks, paused, nextEpoch } = membership
  const { clock } = options.runtime
  const group = broker.group(options.groupId)
  let owned = new Map<string, PartitionReader>()
  let memberId = ''
  let generation = -1
  let heartbeatAt: number | null = null
  let ended = false
  let rejoinsFrom: number | null = null // the generation out of which it joins again: once, and after all that came with it
  // Assignments and revocations happen one after the other, each to its end: a revocation waits for the assignment before it.
  let turn: Promise<void> = Promise.resolve()

  const inTurn = (ofMember: string, task: () => Promise<void>): void => {
    turn = turn.then(async () => {
      if (ended || memberId !== ofMember) return
      try {
        await task()
      } catch (error) {
        crash(error)
      }
    })
  }

  const joinAsNew = (): void => {
    memberId = `${clientId}-${broker.nextId()}`
    inTurn(memberId, () => join(false))
  }

  const join = async (rejoins: boolean): Promise<void> => {
    const joiner = asMember(memberId)
    let known: boolean | undefined // the answer to a join is the assignment: when it has arrived it must not be sent again
    const ask = (): Promise<unknown> => broker.request(clientId, () => (known = !ended && group.join(joiner, rejoins)))
    await patiently(clock, ask, () => !ended && known === undefined).catch((error: unknown) => {
      if (known === undefined && !ended) throw error
    })
    if (known === false && !ended) lose()
  }

  const asMember = (id: string): GroupMember => ({
    memberId: id,
    clientId,
    topics,
    sessionTimeoutMs: options.sessionTimeoutMs,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs,
    onRebalance: () => {
      if (memberId === id && broker.isReachable(clientId)) rejoin() // else its next heartbeat hears of it
    },
    onAssignment(next, partitions) {
      if (memberId === id) generation = next // at once: what it commits of what it keeps belongs to this one now
      inTurn(id, () => assign(partitions))
    },
    crash: () => crash(refusals.consumerCrashed(new Error('crashed by a test'))),
  })

  const rejoin = (): void => {
    if (rejoinsFrom === generation) return
    rejoinsFrom = generation
    inTurn(memberId, broker.rebalance === 'eager' ? revokeAll : () => join(true))
  }

  const revokeAll = async (): Promise<void> => {
    const ofMember = memberId
    await revoke([...owned.values()])
    if (ended || memberId !== ofMember) return
    owned = new Map()
    await join(true)
  }

  const revoke = async (leaving: readonly PartitionReader[]): Promise<void> => {
    for (const reader of leaving) reader.end()
    // What would be committed now would be so for the topic that has taken its name.
    const gone = leaving.find((reader) => reader.gone())
    if (gone !== undefined) throw refusals.topicUnknown(gone.topic)
    await Promise.all(byEpoch(leaving).map(([ofEpoch, partitions]) => callbacks.onRevoked(partitions, ofEpoch)))
  }

  const assign = async (partitions: readonly TopicPartition[]): Promise<void> => {
    const ofMember = memberId
    heartbeatAt = clock.monotonic()
    const given = new Set(partitions.map(formatPartition))
    const leaving = [...owned.values()].filter((reader) => !given.has(formatPartition(reader)))
    if (leaving.length > 0) {
      // Nobody else waits for this drain: a client that takes too long over it leaves by itself.
      const late = clock.after(options.rebalanceTimeoutMs, leaveAndLose)
      await revoke(leaving).finally(() => late.cancel())
      if (ended || memberId !== ofMember) return
    }
    const ofEpoch = nextEpoch()
    const came = partitions.filter((partition) => !owned.has(formatPartition(partition)))
    const readers = new Map(came.map((partition) => [formatPartition(partition), readerOf(partition, ofEpoch)]))
    const kept = [...owned].filter(([name]) => given.has(name))
    const all = (owned = new Map([...kept, ...readers]))
    const ask = (): Promise<ReadonlyMap<string, CommittedOffset>> =>
      broker.request(clientId, () => new Map(group.fetchCommitted().map((each) => [formatPartition(each), each])))
    const stays = (): boolean => owned === all && !ended
    const committed = await patiently(clock, ask, stays).catch((error: unknown) => {
      if (stays()) throw error
    })
    if (committed === undefined || !stays()) return
    const starts = await callbacks.onAssigned(
      came.map((partition) => {
        const { offset, metadata } = committed.get(formatPartition(partition)) ?? {}
        return {
          ...partitionOf(partition),
          epoch: ofEpoch,
          committed: offset === undefined ? null : { offset, metadata: metadata! },
        }
      }),
    )
    // Of readers that ended meanwhile none begins any more.
    for (const start of starts) {
      const reader = readers.get(formatPartition(start))
      if (reader !== undefined) reader.position ??= start.offset // a seek that came meanwhile is the later word
    }
    for (const reader of readers.values()) reader.begin()
    if (leaving.length > 0) rejoin() // what it has given back is free for others in the next generation
  }

  const readerOf = (partition: TopicPartition, ofEpoch: number): PartitionReader =>
    createPartitionReader({
      ...partitionOf(partition),
      broker,
      clock,
      clientId,
      epoch: ofEpoch,
      maxBytes: options.maxBytesPerPartition,
      isPaused: () => paused.has(formatPartition(partition)),
      callbacks,
      onFailure: crash,
    })

  const beat = async (): Promise<void> => {
    const ofMember = memberId
    if (generation < 0) return
    // Without an answer the session may or may not be over: only an answer tells.
    const answer = await broker.request(clientId, () => lookUp() ?? group.heartbeat(ofMember)).catch(() => null)
    if (ended || memberId !== ofMember || answer === null) return
    if (HoldfastError.is(answer)) {
      crash(answer)
      return
    }
    if (answer === 'unknown') {
      lose()
      return
    }
    heartbeatAt = clock.monotonic()
    if (answer === 'rebalance') rejoin()
  }

  /** A client looks its topics up from time to time: so it hears of one that is no more though it reads nothing of it. */
  const lookUp = (): HoldfastError | undefined => {
    const gone = topics.find((topic) => !broker.hasTopic(topic))
    return gone === undefined ? undefined : refusals.topicUnknown(gone)
  }

  const leaveAndLose = (): void => {
    broker.request(clientId, leaveAs(memberId)).catch(() => {})
    lose()
  }

  const leaveAs = (id: string) => (): void => group.leave(id)

  const lose = (): void => {
    const lost = dropAll()
    generation = -1
    rejoinsFrom = null
    joinAsNew() // before the callback, so that what it does meets the new state
    try {
      for (const [ofEpoch, partitions] of byEpoch(lost)) callbacks.onLost(partitions, ofEpoch)
    } catch (error) {
      crash(error)
    }
  }

  const dropAll = (): readonly PartitionReader[] => {
    const dropped = [...owned.values()]
    for (const reader of dropped) reader.end()
    owned = new Map()
    return dropped
  }

  const crash = (cause: unknown): void => {
    if (ended) return
    end()
    broker.request(clientId, () => group.leave(memberId)).catch(() => {}) // else the session runs out by itself
    callbacks.onCrash(HoldfastError.is(cause, 'HOLDFAST_CONSUMER_CRASHED') ? cause : refusals.consumerCrashed(cause))
  }

  const end = (): void => {
    ended = true
    heartbeats.cancel()
    dropAll()
  }

  const heartbeats = clock.every(options.heartbeatIntervalMs, () => void beat())
  joinAsNew()

  return {
    state: (partition) => owned.get(formatPartition(partition)),
    identity: () => ({ memberId, generation }),
    lastHeartbeatAt: () => heartbeatAt,
    ended: () => ended,
    async leave() {
      if (ended) return
      end()
      await broker.request(clientId, () => group.leave(memberId)).catch(() => {})
    },
  }
}

/** What was assigned together goes together. */
function byEpoch(
  readers: readonly PartitionReader[],
): readonly [epoch: number, partitions: readonly TopicPartition[]][] {
  const epochs = new Map<number, TopicPartition[]>()
  for (const reader of readers) epochs.set(reader.epoch, [...(epochs.get(reader.epoch) ?? []), partitionOf(reader)])
  return [...epochs]
}

function partitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

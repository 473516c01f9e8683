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
  let epoch = 0
  let memberId = ''
  let generation = -1
  let heartbeatAt: number | null = null
  let ended = false
  let revoking = false
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
    if (known === false && !ended) joinAsNew()
  }

  const asMember = (id: string): GroupMember => ({
    memberId: id,
    clientId,
    topics,
    sessionTimeoutMs: options.sessionTimeoutMs,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs,
    onRebalance: () => {
      if (memberId === id && broker.isReachable(clientId)) startRevoking() // else its next heartbeat hears of it
    },
    onAssignment: (next, partitions) => inTurn(id, () => assign(next, partitions)),
    crash: () => crash(refusals.consumerCrashed(new Error('crashed by a test'))),
  })

  const startRevoking = (): void => {
    if (revoking) return
    revoking = true
    inTurn(memberId, revoke)
  }

  const revoke = async (): Promise<void> => {
    const leaving = [...owned.values()]
    for (const reader of leaving) reader.end()
    // What would be committed now would be so for the topic that has taken its name.
    const gone = leaving.find((reader) => reader.gone)
    if (gone !== undefined) throw refusals.topicUnknown(gone.topic)
    const [ofMember, ofEpoch] = [memberId, epoch]
    if (leaving.length > 0) await callbacks.onRevoked(leaving.map(partitionOf), ofEpoch)
    if (ended || memberId !== ofMember) return
    owned = new Map()
    await join(true)
  }

  const assign = async (next: number, partitions: readonly TopicPartition[]): Promise<void> => {
    generation = next
    revoking = false
    heartbeatAt = clock.monotonic()
    const ofEpoch = (epoch = nextEpoch())
    const readers = new Map(partitions.map((partition) => [formatPartition(partition), readerOf(partition, ofEpoch)]))
    owned = readers
    const ask = (): Promise<ReadonlyMap<string, CommittedOffset>> =>
      broker.request(clientId, () => new Map(group.fetchCommitted().map((each) => [formatPartition(each), each])))
    const stays = (): boolean => owned === readers && !ended
    const committed = await patiently(clock, ask, stays).catch((error: unknown) => {
      if (stays()) throw error
    })
    if (committed === undefined || !stays()) return
    const starts = await callbacks.onAssigned(
      partitions.map((partition) => {
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
    if (answer === 'rebalance') startRevoking()
  }

  /** A client looks its topics up from time to time: so it hears of one that is no more though it reads nothing of it. */
  const lookUp = (): HoldfastError | undefined => {
    const gone = topics.find((topic) => !broker.hasTopic(topic))
    return gone === undefined ? undefined : refusals.topicUnknown(gone)
  }

  const lose = (): void => {
    const lost = dropAll()
    generation = -1
    revoking = false
    joinAsNew() // before the callback, so that what it does meets the new state
    try {
      if (lost.length > 0) callbacks.onLost(lost, epoch)
    } catch (error) {
      crash(error)
    }
  }

  const dropAll = (): readonly TopicPartition[] => {
    const dropped = [...owned.values()]
    for (const reader of dropped) reader.end()
    owned = new Map()
    return dropped.map(partitionOf)
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

function partitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

import type { Runtime } from '../../clock/index.ts'
import type { NewTopic } from '../../driver/index.ts'
import type { InboundRecord, OutboundRecord, Position, TopicPartition } from '../../record/index.ts'
import type { Broker } from './broker.ts'
import { createBroker } from './broker.ts'
import type { PlannedFailure, PlannedProduceFailure } from './faults.ts'
import type { CommittedOffset, MemberAssignment, RebalanceProtocol } from './group.ts'

/** A small Kafka in this process, with what a test wants to see and break. Drivers of several "processes" can share one. */
export interface InMemoryCluster {
  createTopic(topic: NewTopic): void
  /** Raises a topic's partitions to `count`, never lowers them; groups that read it rebalance at once. */
  addPartitions(topic: string, count: number): void
  /**
   * Deletes a topic, its records, and what groups have committed for it. A consumer that reads it ends (`onCrash`, for
   * `HOLDFAST_TOPIC_UNKNOWN`), and does so too when {@link InMemoryCluster.createTopic} has made one of that name again at once.
   */
  deleteTopic(topic: string): void
  /** Writes records past every client; answers with where they stand. */
  append(records: readonly OutboundRecord[]): readonly Position[]
  /** What a reader of committed records sees of a topic: by partition, then offset. */
  records(topic: string): readonly InboundRecord[]
  /** What a group has committed. */
  committed(groupId: string): readonly CommittedOffset[]
  /** Stores an offset for a group, as an operator's tool does. */
  setCommitted(groupId: string, offset: Position & { readonly metadata?: string }): void
  /** Who is in a group, with what it was given. A member's id begins with its driver's client id. */
  members(groupId: string): readonly MemberAssignment[]

  /** Makes the next produce call to this topic end so, outside transactions and in them. Calls add up, one for each produce. */
  failNextProduce(topic: string, outcome: PlannedProduceFailure): void
  /** Makes the next offset commit of this group end so. */
  failNextCommit(groupId: string, outcome: PlannedFailure): void
  /** Makes the next commit of a transaction of this id end so; after `indeterminate-lost` it is still open. */
  failNextTransactionCommit(transactionalId: string, outcome: PlannedFailure): void
  /** Takes too many replicas away from a partition, or from all of a topic: produce calls end `HOLDFAST_UNAVAILABLE`. */
  partitionUnwritable(target: string | TopicPartition, on: boolean): void
  /** Cuts one client off, or all: requests fail, heartbeats stop, and its session ends at the group while it does not know. */
  unreachable(on: boolean, clientId?: string): void
  /** Loses every request of one client, or of all, on its way to the cluster. The client does not know; it asks again, or gives up in its time. */
  loseRequests(on: boolean, clientId?: string): void
  /** Loses every answer on its way back: what was asked for has been done. */
  loseAnswers(on: boolean, clientId?: string): void
  /**
   * Ends the session of a member, or of all: the group gives its partitions away, and it finds out by its next heartbeat or
   * commit. Until then it is a zombie. One that waits for the answer to its join has no session.
   */
  expireSession(groupId: string, memberId?: string): void
  /**
   * Makes the coordinator of a group load what it has stored, as after a move to another broker, until it is told to end: joins, heartbeats,
   * commits and questions for commits are answered "ask again". No session ends meanwhile.
   */
  coordinatorLoading(groupId: string, on: boolean): void
  /** Makes the consumer of a member, or of all, end by itself: `onCrash`. */
  crashConsumer(groupId: string, memberId?: string): void
  /** Drops what stands below an offset, as retention does. */
  deleteRecordsBefore(position: Position): void
  /**
   * Compacts a topic now, whatever its `cleanup.policy`: keeps the last record of each key, with its offset. Records without a key go,
   * as do transactions that were rolled back; what an open transaction holds back stays as it is.
   */
  compact(topic: string): void
  /** Leaves a gap as compaction does: the next record of the partition gets this offset. */
  skipOffsetsTo(position: Position): void
}

/** How a cluster is made. */
export interface InMemoryClusterOptions {
  /** The topics that exist. @defaultValue none */
  readonly topics?: readonly (string | NewTopic)[]
  /**
   * Makes a topic with so many partitions when it is first asked for, as a cluster with `auto.create.topics.enable` does.
   *
   * @defaultValue none are made: an unknown topic is `HOLDFAST_TOPIC_UNKNOWN`
   */
  readonly autoCreatePartitions?: number
  /**
   * How long a request and its answer travel, each, in milliseconds of the cluster's clock.
   *
   * @defaultValue `0`: they take a turn of the promise queue
   */
  readonly latencyMs?: number
  /**
   * Carries each request of a client, and each answer, for as long as it likes. It rejects for one that is lost on the way; a promise that
   * never settles is a client that is gone.
   *
   * @defaultValue waits for `latencyMs`
   */
  readonly network?: (clientId: string) => Promise<void>
  /**
   * How its groups rebalance. With `cooperative` a member keeps, and goes on with, what does not go to another one.
   *
   * @defaultValue `'eager'`, as kafkajs
   */
  readonly rebalance?: RebalanceProtocol
  /** Whose clock ends sessions and transactions. @defaultValue the first client's */
  readonly runtime?: Runtime
}

const BROKER = Symbol('broker')

/** The broker behind a cluster that {@link createInMemoryCluster} made. */
export function brokerOf(cluster: InMemoryCluster): Broker {
  const broker = (cluster as { readonly [BROKER]?: Broker })[BROKER]
  if (broker === undefined) throw new TypeError('not a cluster of createInMemoryCluster')
  return broker
}

/**
 * Makes an {@link InMemoryCluster}. It holds what Kafka promises its clients (offsets with gaps, groups with generations,
 * rebalances, sequences of producers, transactions, fencing) and leaves out what they cannot see (replicas, files, the wire).
 */
export function createInMemoryCluster(options: InMemoryClusterOptions = {}): InMemoryCluster {
  const { topics = [], latencyMs = 0, network, autoCreatePartitions, runtime, rebalance = 'eager' } = options
  const broker = createBroker({ runtime, latencyMs, network, autoCreatePartitions, rebalance })
  for (const topic of topics) broker.createTopic(typeof topic === 'string' ? { topic } : topic)

  const cluster: InMemoryCluster = {
    createTopic: broker.createTopic,
    addPartitions: broker.addPartitions,
    deleteTopic: broker.deleteTopic,
    append: (records) => records.map((record) => positionOf(record, broker.log(record).append([record], null))),
    records: (topic) =>
      broker.topic(topic).flatMap((log) => log.read(log.start, Number.MAX_SAFE_INTEGER)?.records ?? []),
    committed: (groupId) => broker.group(groupId).committed(),
    setCommitted: (groupId, offset) => broker.group(groupId).setCommitted({ metadata: '', ...offset }),
    members: (groupId) => broker.group(groupId).members(),
    failNextProduce: broker.failures.produce.plan,
    failNextCommit: broker.failures.commit.plan,
    failNextTransactionCommit: broker.failures.transactionCommit.plan,
    partitionUnwritable(target, on) {
      if (typeof target === 'string') broker.setUnwritable(target, undefined, on)
      else broker.setUnwritable(target.topic, target.partition, on)
    },
    unreachable: (on, clientId) => broker.setUnreachable(clientId, on),
    loseRequests: (on, clientId) => broker.setLosing('requests', clientId, on),
    loseAnswers: (on, clientId) => broker.setLosing('answers', clientId, on),
    expireSession(groupId, memberId) {
      const group = broker.group(groupId)
      for (const member of group.members()) {
        if (memberId === undefined || member.memberId === memberId) group.expire(member.memberId)
      }
    },
    coordinatorLoading: (groupId, on) => broker.group(groupId).setLoading(on),
    crashConsumer: (groupId, memberId) => broker.group(groupId).crash(memberId),
    deleteRecordsBefore: (position) => broker.log(position).deleteBefore(position.offset),
    compact: (topic) => broker.topic(topic).forEach((log) => log.compact()),
    skipOffsetsTo: (position) => broker.log(position).skipTo(position.offset),
  }
  Object.defineProperty(cluster, BROKER, { value: broker })
  return cluster
}

function positionOf({ topic, partition }: TopicPartition, offset: bigint): Position {
  return { topic, partition, offset }
}

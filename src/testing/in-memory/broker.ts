import { gzipSync } from 'node:zlib'
import type { Clock, Runtime } from '../../clock/index.ts'
import { systemRuntime } from '../../clock/index.ts'
import type { Compression, NewTopic, ProduceBatch } from '../../driver/index.ts'
import type { OutboundRecord, TopicPartition } from '../../record/index.ts'
import type { FailurePlan, PlannedProduceFailure } from './faults.ts'
import { createFailurePlan } from './faults.ts'
import type { Group, RebalanceProtocol } from './group.ts'
import { createGroup } from './group.ts'
import type { PartitionLog, TransactionFate } from './partition-log.ts'
import { createPartitionLog, recordBytes } from './partition-log.ts'
import { refusals } from './refusals.ts'
import type { BatchOrigin } from './sequences.ts'
import type { TransactionCoordinator } from './transactions.ts'
import { createTransactionCoordinator } from './transactions.ts'

/** The codecs this cluster takes. */
export const COMPRESSION: readonly Compression[] = ['none', 'gzip']

/** What stands behind an in-memory cluster: everything the clients ask of it, and nothing that only tests ask. */
export interface Broker {
  readonly transactions: TransactionCoordinator
  /** Failures of produce calls by topic, of commits by group id, of transaction commits by transactional id. */
  readonly failures: {
    readonly produce: FailurePlan<PlannedProduceFailure>
    readonly commit: FailurePlan
    readonly transactionCommit: FailurePlan
  }
  /** Gives the cluster its clock, unless it has one: the first client's. */
  adopt(runtime: Runtime): void
  /**
   * Takes a request to the cluster and its answer back; the work in between happens in one step.
   *
   * @throws HOLDFAST_UNAVAILABLE when this client is cut off; HOLDFAST_INDETERMINATE when the request or its answer is lost; and what the
   * work throws.
   */
  request<T>(clientId: string, work: () => T): Promise<T>
  /** The partitions of a topic, made now when the cluster makes topics by itself. */
  readonly topic: (name: string) => readonly PartitionLog[]
  log(partition: TopicPartition): PartitionLog
  readonly hasTopic: (name: string) => boolean
  readonly createTopic: (topic: NewTopic) => void
  readonly addPartitions: (topic: string, count: number) => void
  /** Deletes a topic with what groups have committed for it. Readers end; one made anew under its name is another. */
  readonly deleteTopic: (topic: string) => void
  group(groupId: string): Group
  /** How its groups rebalance. */
  readonly rebalance: RebalanceProtocol
  /**
   * Writes a batch whole, or throws and writes nothing of it; answers with its first offset, the old one when it is a repeat. Of an
   * origin whose sequence does not follow the last one nothing is written: `out-of-order`.
   */
  append(batch: ProduceBatch, transaction: TransactionFate | null, origin: BatchOrigin): bigint | 'out-of-order'
  setUnwritable(topic: string, partition: number | undefined, on: boolean): void
  setUnreachable(clientId: string | undefined, on: boolean): void
  /** Loses every request, or every answer, of one client or of all. */
  setLosing(what: 'requests' | 'answers', clientId: string | undefined, on: boolean): void
  isReachable(clientId: string): boolean
  /** Calls whenever reachability changes, until called off. */
  watchNetwork(listener: () => void): () => void
  /** Numbers members and producers, so that each has an id of its own. */
  nextId(): number
}

/** How a broker is made. */
export interface BrokerOptions {
  readonly runtime?: Runtime | undefined
  readonly latencyMs: number
  readonly network?: ((clientId: string) => Promise<void>) | undefined
  readonly autoCreatePartitions?: number | undefined
  readonly rebalance: RebalanceProtocol
}

interface Topic {
  readonly logs: PartitionLog[]
  readonly maxMessageBytes: number
  /** `cleanup.policy` has `compact`: each record needs a key. */
  readonly compacted: boolean
  readonly unwritable: Set<number>
}

// Kafka's own default of `max.message.bytes`, and the size of a batch's head.
const MAX_MESSAGE_BYTES = 1_048_588
const BATCH_HEAD_BYTES = 61
const ALL = Symbol('all clients')

/** Makes a broker without topics. */
export function createBroker({ runtime, latencyMs, network, autoCreatePartitions, rebalance }: BrokerOptions): Broker {
  let adopted = runtime
  let ids = 0
  const clock = (): Clock => (adopted ?? systemRuntime).clock
  const topics = new Map<string, Topic>()
  const groups = new Map<string, Group>()
  const cutOff = new Set<string>()
  let allCutOff = false
  const losing = { requests: new Set<string | typeof ALL>(), answers: new Set<string | typeof ALL>() }
  const networkListeners = new Set<() => void>()
  const failures = {
    produce: createFailurePlan<PlannedProduceFailure>(),
    commit: createFailurePlan(),
    transactionCommit: createFailurePlan(),
  }

  const hop = network ?? ((): Promise<void> => (latencyMs > 0 ? clock().sleep(latencyMs) : Promise.resolve()))
  const isReachable = (clientId: string): boolean => !allCutOff && !cutOff.has(clientId)

  const travel = async (what: keyof typeof losing, clientId: string): Promise<void> => {
    try {
      await hop(clientId)
    } catch {
      throw refusals.lost(clientId)
    }
    if (losing[what].size > 0 && (losing[what].has(clientId) || losing[what].has(ALL))) throw refusals.lost(clientId)
  }

  const createTopic = ({ topic, partitions = 1, settings = {} }: NewTopic): void => {
    if (topics.has(topic)) return
    if (!/^(?!\.{1,2}$)[\w.-]{1,249}$/.test(topic))
      throw refusals.refused('a topic name has 1 to 249 of: letters, digits, . _ -')
    const maxMessageBytes = Number(settings['max.message.bytes'] ?? MAX_MESSAGE_BYTES)
    const compacted = (settings['cleanup.policy'] ?? '').includes('compact')
    topics.set(topic, { logs: [], maxMessageBytes, compacted, unwritable: new Set() })
    grow(topic, partitions)
  }

  const addPartitions = (name: string, count: number): void => {
    grow(name, count)
    for (const group of groups.values()) group.topicChanged(name)
  }

  const grow = (name: string, count: number): void => {
    const { logs } = existing(name)
    while (logs.length < count) logs.push(createPartitionLog({ topic: name, partition: logs.length }))
  }

  const deleteTopic = (name: string): void => {
    const { logs } = existing(name)
    topics.delete(name)
    for (const group of groups.values()) group.topicDeleted(name)
    for (const each of logs) each.delete()
  }

  const existing = (name: string): Topic => {
    if (!topics.has(name) && autoCreatePartitions !== undefined)
      createTopic({ topic: name, partitions: autoCreatePartitions })
    const topic = topics.get(name)
    if (topic === undefined) throw refusals.topicUnknown(name)
    return topic
  }

  const log = (partition: TopicPartition): PartitionLog => {
    const found = existing(partition.topic).logs[partition.partition]
    if (found === undefined) throw refusals.partitionUnknown(partition)
    return found
  }

  return {
    transactions: createTransactionCoordinator(clock),
    failures,
    rebalance,
    adopt: (candidate) => void (adopted ??= candidate),
    async request(clientId, work) {
      if (!isReachable(clientId)) {
        await hop(clientId)
        throw refusals.unreachable(clientId)
      }
      await travel('requests', clientId)
      let refusal: { readonly error: unknown } | null = null
      let answer: unknown
      try {
        answer = work()
      } catch (error) {
        refusal = { error }
      }
      await travel('answers', clientId)
      if (refusal !== null) throw refusal.error
      return answer as ReturnType<typeof work>
    },
    topic: (name) => existing(name).logs,
    log,
    hasTopic: (name) => topics.has(name),
    createTopic,
    addPartitions,
    deleteTopic,
    group(groupId) {
      const known = groups.get(groupId)
      if (known !== undefined) return known
      const made = createGroup(groupId, clock, (topic) => topics.get(topic)?.logs.length ?? 0, rebalance)
      groups.set(groupId, made)
      return made
    },
    append(batch, transaction, origin) {
      const target = log(batch)
      const { maxMessageBytes, compacted, unwritable } = existing(batch.topic)
      refuseUnfit(batch, maxMessageBytes, compacted)
      if (unwritable.has(batch.partition)) throw refusals.notWritable(batch)
      const verdict = target.sequences.judge(origin, batch.records.length)
      if (verdict.kind === 'repeat') return verdict.offset
      if (verdict.kind === 'fenced') throw refusals.fenced(origin.producerId)
      if (verdict.kind === 'out-of-order') return verdict.kind
      const offset = target.append(batch.records, transaction)
      target.sequences.wrote(origin, batch.records.length, offset)
      return offset
    },
    setUnwritable(name, partition, on) {
      const { logs, unwritable } = existing(name)
      for (const each of partition === undefined ? logs.keys() : [partition]) {
        if (on) unwritable.add(each)
        else unwritable.delete(each)
      }
    },
    setUnreachable(clientId, on) {
      if (clientId === undefined) allCutOff = on
      else if (on) cutOff.add(clientId)
      else cutOff.delete(clientId)
      for (const listener of networkListeners) listener()
    },
    setLosing(what, clientId, on) {
      if (on) losing[what].add(clientId ?? ALL)
      else losing[what].delete(clientId ?? ALL)
    },
    isReachable,
    watchNetwork(listener) {
      networkListeners.add(listener)
      return () => void networkListeners.delete(listener)
    },
    nextId: () => ++ids,
  }
}

function refuseUnfit(batch: ProduceBatch, limit: number, compacted: boolean): void {
  if (batch.records.length === 0) throw refusals.refused('a batch without records')
  if (batch.records.some(({ topic, partition }) => topic !== batch.topic || partition !== batch.partition)) {
    throw refusals.refused('a batch with a record of another partition')
  }
  if (batch.records.some(({ timestamp }) => timestamp < 0n)) throw refusals.refused('a timestamp below 0')
  if (compacted && batch.records.some(({ key }) => key === null))
    throw refusals.refused('a record without a key, for a compacted topic')
  if (!COMPRESSION.includes(batch.compression))
    throw refusals.unsupported(`compression ${batch.compression} is not supported in memory`)
  const size = BATCH_HEAD_BYTES + bodyBytes(batch.records, batch.compression)
  if (size > limit) throw refusals.tooLarge(batch, size, limit)
}

// The limit is one for the batch as it is sent, compressed: so it is on a real broker.
function bodyBytes(records: readonly OutboundRecord[], compression: Compression): number {
  const plain = records.reduce((sum, record) => sum + recordBytes(record), 0)
  if (compression === 'none') return plain
  const none = new Uint8Array(0)
  const parts = records.flatMap(({ key, value, headers }) => [
    key ?? none,
    value ?? none,
    ...headers.flatMap(([name, bytes]) => [Buffer.from(name), bytes ?? none]),
  ])
  return gzipSync(Buffer.concat(parts)).length
}

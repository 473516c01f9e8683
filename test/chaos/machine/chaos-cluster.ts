import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin, ITopicConfig } from 'kafkajs'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import type { KafkaNode, KafkaProxy, Progress } from '../../../scripts/services/index.ts'
import { startServices } from '../../../scripts/services/index.ts'
import { EFFECT_TABLES } from '../worker/index.ts'
import { patiently } from './patiently.ts'

/** A node with the proxy before it. */
export interface ChaosNode extends KafkaNode {
  readonly proxy: KafkaProxy
}

/** Three brokers behind proxies, a database, and ways to look at them past every fault of the proxies. */
export interface ChaosCluster {
  readonly nodes: readonly ChaosNode[]
  /** The proxies' addresses: what workers are told. */
  readonly brokers: readonly string[]
  /** Bare kafkajs at the brokers themselves: what is audited does not get to describe itself. */
  readonly kafka: Kafka
  readonly admin: Admin
  readonly database: pg.Pool
  readonly databaseUrl: string
  /** The node that leads a partition now. */
  leaderOf(topic: string, partition: number): Promise<ChaosNode>
  /** The node that coordinates a group, or a transactional id. */
  coordinatorOf(kind: 'group' | 'transaction', id: string): Promise<ChaosNode>
  controller(): Promise<ChaosNode>
  /** Resolves when every node knows a leader of each partition. */
  makeTopics(topics: readonly ITopicConfig[]): Promise<void>
  close(): Promise<void>
}

const SETTINGS: Readonly<Record<string, string>> = {
  'leader.imbalance.check.interval.seconds': '3', // 5 minutes by default, before a preferred leader leads again
  'leader.imbalance.per.broker.percentage': '0',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000', // 10 s by default
  'log.cleaner.backoff.ms': '500', // 15 s by default
}

/** Starts a {@link ChaosCluster}. It never outlives this process. */
export async function startChaosCluster(
  onProgress: Progress,
  settings: Readonly<Record<string, string>> = {},
): Promise<ChaosCluster> {
  const services = await startServices({
    kafka: { nodes: 3, proxied: true, settings: { ...SETTINGS, ...settings } },
    postgres: true,
    onProgress,
  })
  const nodes = services.kafka!.nodes as readonly ChaosNode[]
  const kafka = new Kafka({
    clientId: 'chaos-machine',
    brokers: nodes.map((node) => node.directAddress),
    logLevel: logLevel.NOTHING,
    retry: { retries: 20, initialRetryTime: 200, maxRetryTime: 2_000 },
  })
  const admin = kafka.admin()
  const databaseUrl = services.postgres!.url
  const database = new pg.Pool({ connectionString: databaseUrl, max: 4 })
  database.on('error', () => undefined)
  try {
    await admin.connect()
    await database.query(EFFECT_TABLES)
  } catch (error) {
    await services.close()
    throw error
  }
  const nodeOf = (id: number): ChaosNode => nodes.find((node) => node.id === id)!

  const cluster: ChaosCluster = {
    nodes,
    brokers: nodes.map((node) => node.address),
    kafka,
    admin,
    database,
    databaseUrl,
    async leaderOf(topic, partition) {
      const { topics } = await patiently(() => admin.fetchTopicMetadata({ topics: [topic] }))
      return nodeOf(topics[0]!.partitions.find((each) => each.partitionId === partition)!.leader)
    },
    async coordinatorOf(kind, id) {
      const topic = kind === 'group' ? '__consumer_offsets' : '__transaction_state'
      const { topics } = await patiently(() => admin.fetchTopicMetadata({ topics: [topic] }))
      return cluster.leaderOf(topic, javaHash(id) % topics[0]!.partitions.length)
    },
    async controller() {
      return nodeOf((await patiently(() => admin.describeCluster())).controller!)
    },
    async makeTopics(topics) {
      // kafkajs' own waiting for leaders gives up at a node that has not heard of the topic yet.
      await admin.createTopics({ topics: [...topics], waitForLeaders: false })
      const names = topics.map(({ topic }) => topic)
      while (!(await Promise.all(nodes.map(({ directAddress }) => knows(directAddress, names)))).every(Boolean)) {
        await sleep(LOOK_EVERY_MS)
      }
    },
    async close() {
      await Promise.allSettled([admin.disconnect(), database.end()])
      await services.close()
    },
  }
  return cluster
}

const LOOK_EVERY_MS = 100

/** Does this node know a leader of each partition? */
async function knows(address: string, topics: string[]): Promise<boolean> {
  const admin = new Kafka({
    clientId: 'chaos-probe',
    brokers: [address],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  }).admin()
  try {
    await admin.connect()
    const metadata = await admin.fetchTopicMetadata({ topics })
    return metadata.topics.every(
      ({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0),
    )
  } catch {
    return false
  } finally {
    await admin.disconnect()
  }
}

/** Java's `String.hashCode` without its sign: how Kafka finds the coordinator. */
function javaHash(text: string): number {
  let hash = 0
  for (const letter of text) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0
  return hash & 0x7fffffff
}

import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Message, Producer } from 'kafkajs'
import { Partitioners } from 'kafkajs'
import { seededRandom } from '../../../src/testing/index.ts'
import type { Journal } from '../history/index.ts'
import { openJournal } from '../history/index.ts'
import type { ConsumerConfig, ProducerConfig } from '../worker/index.ts'
import type { ChaosCluster } from './chaos-cluster.ts'
import type { DedupeServers } from './dedupe-servers.ts'
import { startDedupeServers } from './dedupe-servers.ts'
import type { Fleet, Worker } from './fleet.ts'
import { createFleet } from './fleet.ts'
import type { LiveHistory } from './live-history.ts'
import { followHistory } from './live-history.ts'
import type { Nemesis } from './nemesis.ts'
import { createNemesis } from './nemesis.ts'
import type { Scenario, Workload } from './scenario.ts'
import { USUAL } from './scenario.ts'

/** All that a scenario can see and touch. */
export interface World {
  readonly cluster: ChaosCluster
  readonly workload: Workload
  readonly topic: string
  readonly deadLetterTopic: string
  readonly group: string
  readonly fleet: Fleet
  readonly live: LiveHistory
  /** The servers of the dedupe stores, which are the scenario's own. */
  readonly stores: DedupeServers
  readonly nemesis: Nemesis
  readonly journal: Journal
  /** Drawn from the run's seed, for this scenario alone. */
  readonly random: () => number
  /** Text that stands in every payload, and must stand nowhere else. */
  readonly canary: string
  readonly stop: AbortSignal
  readonly historyFolder: string
  /** Waits; rejects when the run is stopped meanwhile. */
  pause(ms: number): Promise<void>
  /** Waits for what the journals say. */
  until(what: string, condition: () => boolean, withinMs?: number): Promise<void>
  startConsumer(name: string, changes?: Partial<ConsumerConfig>): Promise<Worker>
  startProducer(name: string, changes?: Partial<ProducerConfig>): Promise<Worker>
  /** Writes records as a stranger would: bare kafkajs, past everything that would refuse them. */
  writeRaw(messages: readonly Message[]): Promise<void>
  /** The live process of a name. */
  worker(name: string): Worker
  /** The wall clock of a process, and of those that take its place, is off by so much from now on. */
  moveClock(worker: Worker, offsetMs: number): void
}

/** What a {@link World} is made of. */
export interface WorldOptions {
  readonly scenario: Scenario
  readonly cluster: ChaosCluster
  /** Of the run. */
  readonly seed: number
  readonly driver: string
  /** The bundled worker. */
  readonly script: string
  /** Of this scenario in the run's folder. */
  readonly folder: string
  readonly stop: AbortSignal
  say(text: string): void
}

const WITHIN_MS = 60_000

/** Makes topics, and a fleet of nobody. */
export async function createWorld(options: WorldOptions): Promise<World> {
  const { scenario, cluster, seed, driver, script, folder, stop, say } = options
  const workload: Workload = { ...USUAL, ...scenario.workload }
  const topic = `${scenario.name}-${seed.toString(36)}-${Date.now().toString(36)}`
  const deadLetterTopic = `${topic}.dlq`
  const group = `${topic}-group`
  const canary = `canary-${seed.toString(36)}-${scenario.number}`
  const historyFolder = resolve(folder, 'history') // workers have working directories of their own
  mkdirSync(historyFolder, { recursive: true })
  const journal = openJournal(join(historyFolder, 'machine.jsonl'), 'machine')
  journal.write({ f: 'start', role: 'machine' })
  const fleet = createFleet(script, journal)
  const live = followHistory(historyFolder)

  const topicOf = (name: string, settings: Readonly<Record<string, string>>) => ({
    topic: name,
    numPartitions: workload.partitions,
    replicationFactor: 3,
    configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
  })
  await cluster.makeTopics([
    topicOf(topic, workload.topicSettings),
    topicOf(deadLetterTopic, workload.deadLetterSettings),
  ])

  const stores = await startDedupeServers(workload.dedupe, say)
  const clockFile = (name: string): string => join(historyFolder, `${name}.clock`)
  const clockOf = (name: string) => (workload.movesClocks ? { wallClock: clockFile(name) } : {})
  const common = { history: historyFolder, seed, driver, brokers: cluster.brokers, topic } as const
  const world: World = {
    cluster,
    workload,
    topic,
    deadLetterTopic,
    group,
    fleet,
    live,
    stores,
    nemesis: createNemesis(journal, say),
    journal,
    random: seededRandom(seed * 31 + scenario.number),
    canary,
    stop,
    historyFolder,
    async pause(ms) {
      await sleep(ms, undefined, { signal: stop })
    },
    until: (what, condition, withinMs = WITHIN_MS) => live.until(what, condition, withinMs, stop),
    startConsumer: (name, changes) =>
      fleet.start(name, {
        role: 'consumer',
        ...common,
        group,
        databaseUrl: cluster.databaseUrl,
        effects: workload.effects,
        dedupe: stores.told,
        ...clockOf(name),
        handlerMs: workload.handlerMs,
        fates: workload.fates,
        dependsOnDownstream: workload.dependsOnDownstream,
        consumer: workload.consumer,
        subscription: workload.subscription,
        ...accidentOf(workload, name),
        ...changes,
      }),
    startProducer: (name, changes) =>
      fleet.start(name, {
        role: 'producer',
        ...common,
        ...clockOf(name),
        ratePerSecond: workload.ratePerSecond / workload.producers,
        keys: workload.keys,
        padBytes: workload.padBytes,
        deliveryTimeoutMs: workload.deliveryTimeoutMs,
        canary,
        ...(workload.oversized === undefined ? {} : { oversized: workload.oversized }),
        ...(workload.transactions === undefined
          ? {}
          : { transactions: { ...workload.transactions, transactionalId: `${topic}-${name}` } }),
        ...changes,
      }),
    async writeRaw(messages) {
      const producer: Producer = cluster.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
      await producer.connect()
      try {
        await producer.send({ topic, acks: -1, messages: [...messages] })
      } finally {
        await producer.disconnect()
      }
    },
    worker(name) {
      const found = [...fleet.consumers, ...fleet.producers].find((worker) => worker.name === name)
      if (found === undefined) throw new Error(`${name} does not run`)
      return found
    },
    moveClock: ({ name }, offsetMs) => writeFileSync(clockFile(name), String(offsetMs)),
  }
  return world
}

function accidentOf({ dieAt, accidents }: Workload, name: string): Pick<ConsumerConfig, 'dieAt' | 'accident'> {
  return {
    ...(dieAt[name] === undefined ? {} : { dieAt: dieAt[name] }),
    ...(accidents[name] === undefined ? {} : { accident: accidents[name] }),
  }
}

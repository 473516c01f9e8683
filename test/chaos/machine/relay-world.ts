import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BUCKETS } from '../../../src/outbox/index.ts'
import { seededRandom } from '../../../src/testing/index.ts'
import { STAND_STILL } from '../checker/index.ts'
import type { Journal } from '../history/index.ts'
import { openJournal } from '../history/index.ts'
import type { RelayConfig } from '../worker/index.ts'
import type { ChaosCluster } from './chaos-cluster.ts'
import type { Fleet, Worker } from './fleet.ts'
import { createFleet } from './fleet.ts'
import type { LiveHistory } from './live-history.ts'
import { followHistory } from './live-history.ts'
import type { Nemesis } from './nemesis.ts'
import { createNemesis } from './nemesis.ts'
import type { OutboxServer } from './outbox-server.ts'
import { startOutboxServer } from './outbox-server.ts'
import type { RelayScenario, RelayWorkload } from './relay-scenario.ts'
import { USUAL_RELAYING } from './relay-scenario.ts'
import type { WorldOptions } from './world.ts'

/** All that a scenario of an outbox can see and touch. */
export interface RelayWorld {
  readonly cluster: ChaosCluster
  readonly workload: RelayWorkload
  readonly outbox: OutboxServer
  readonly topic: string
  readonly fleet: Fleet
  readonly live: LiveHistory
  readonly nemesis: Nemesis
  readonly journal: Journal
  /** Drawn from the run's seed, for this scenario alone. */
  readonly random: () => number
  readonly canary: string
  readonly stop: AbortSignal
  readonly historyFolder: string
  say(text: string): void
  /** Waits; rejects when the run is stopped meanwhile. */
  pause(ms: number): Promise<void>
  /** Waits for what the journals say. */
  until(what: string, condition: () => boolean, withinMs?: number): Promise<void>
  /** Waits until all that is committed by now is sent and marked. */
  untilTurnedOver(): Promise<void>
  startEnqueuer(name: string): Promise<Worker>
  startRelay(name: string, changes?: Partial<RelayConfig>): Promise<Worker>
  /** The live process of a name. */
  worker(name: string): Worker
  /** Buckets that a process has now, by its own word. */
  bucketsOf(proc: string): number
  /** Every bucket has a worker that lives, and each of these workers has some. */
  areShared(...names: readonly string[]): boolean
  /** Waits until a process has stopped itself, leaves it so for as long as `meanwhile` takes, and lets it go on. */
  whileItStands(worker: Worker, meanwhile: () => Promise<void>): Promise<void>
  /** Stops a process from outside, for as long as `meanwhile` takes. */
  whileStopped(worker: Worker, meanwhile: () => Promise<void>): Promise<void>
}

const WITHIN_MS = 60_000
const LOOK_EVERY_MS = 200

/** Makes a topic, an outbox, and a fleet of nobody. */
export async function createRelayWorld(
  options: Omit<WorldOptions, 'scenario'> & { readonly scenario: RelayScenario },
): Promise<RelayWorld> {
  const { scenario, cluster, seed, driver, script, folder, stop, say } = options
  const workload: RelayWorkload = { ...USUAL_RELAYING, ...scenario.workload }
  const topic = `${scenario.name}-${seed.toString(36)}-${Date.now().toString(36)}`
  const canary = `canary-${seed.toString(36)}-${scenario.number}`
  const historyFolder = resolve(folder, 'history') // workers have working directories of their own
  mkdirSync(historyFolder, { recursive: true })
  await cluster.makeTopics([{ topic, numPartitions: workload.partitions, replicationFactor: 3 }])
  const outbox = await startOutboxServer(say)
  const journal = openJournal(join(historyFolder, 'machine.jsonl'), 'machine')
  journal.write({ f: 'start', role: 'machine' })
  const fleet = createFleet(script, journal)
  const live = followHistory(historyFolder)
  const nemesis = createNemesis(journal, say)
  const place = { url: outbox.url, notify: workload.notify }
  const common = { history: historyFolder, seed, driver, brokers: cluster.brokers, topic, outbox: place } as const
  const tuning = { ...workload.relay, ...(workload.transactional ? { transactionalIdPrefix: topic } : {}) }

  const standing = (worker: Worker, begin: () => void, meanwhile: () => Promise<void>): Promise<void> =>
    nemesis.during(
      STAND_STILL,
      worker.proc,
      () => {
        begin()
        return () => worker.child.signal('SIGCONT')
      },
      meanwhile,
    )

  const world: RelayWorld = {
    cluster,
    workload,
    outbox,
    topic,
    fleet,
    live,
    nemesis,
    journal,
    random: seededRandom(seed * 31 + scenario.number),
    canary,
    stop,
    historyFolder,
    say,
    async pause(ms) {
      await sleep(ms, undefined, { signal: stop })
    },
    until: (what, condition, withinMs = WITHIN_MS) => live.until(what, condition, withinMs, stop),
    async untilTurnedOver() {
      const last = await outbox.lastRowId()
      const deadline = performance.now() + WITHIN_MS
      while ((await outbox.waitingUpTo(last)) > 0) {
        if (performance.now() > deadline)
          throw new Error(`what was committed was not sent within ${WITHIN_MS / 1_000} s`)
        await world.pause(LOOK_EVERY_MS)
      }
    },
    startEnqueuer: (name) =>
      fleet.start(name, {
        role: 'enqueuer',
        ...common,
        ratePerSecond: workload.ratePerSecond / workload.enqueuers,
        keys: workload.keys,
        padBytes: workload.padBytes,
        lanes: workload.lanes,
        shares: workload.shares,
        canary,
      }),
    startRelay: (name, changes) =>
      fleet.start(name, {
        role: 'relay',
        ...common,
        relay: tuning,
        ...(workload.dieAt[name] === undefined ? {} : { dieAt: workload.dieAt[name] }),
        ...(workload.standAt[name] === undefined ? {} : { standAt: workload.standAt[name] }),
        ...changes,
      }),
    worker(name) {
      const found = [...fleet.workers('relay'), ...fleet.workers('enqueuer')].find((worker) => worker.name === name)
      if (found === undefined) throw new Error(`${name} does not run`)
      return found
    },
    bucketsOf: (proc) => Array.from(live.buckets.values()).filter((owner) => owner === proc).length,
    areShared(...names) {
      const owners = new Set(live.buckets.values())
      const relays = fleet.workers('relay')
      return (
        live.buckets.size === BUCKETS &&
        Array.from(owners).every((owner) => relays.some(({ proc }) => proc === owner)) &&
        names.every((name) => relays.some((relay) => relay.name === name && owners.has(relay.proc)))
      )
    },
    async whileItStands(worker, meanwhile) {
      await world.until(`that ${worker.proc} stands still`, () => live.count('stand-still', worker.proc) > 0)
      await standing(worker, () => undefined, meanwhile)
    },
    whileStopped: (worker, meanwhile) => standing(worker, () => worker.child.signal('SIGSTOP'), meanwhile),
  }
  return world
}

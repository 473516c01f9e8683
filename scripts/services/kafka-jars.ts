import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeFolder, removeFolder, startChild } from './child.ts'
import type { Child } from './child.ts'
import type { KafkaNode, RunningKafka } from './kafka.ts'
import { fetchKafka } from './kafka-distribution.ts'
import type { KafkaDistribution } from './kafka-distribution.ts'
import { hasCoordinator, liveBrokers } from './kafka-probe.ts'
import { startKafkaProxy } from './kafka-proxy/index.ts'
import type { KafkaProxy } from './kafka-proxy/index.ts'
import { serverProperties } from './kafka-settings.ts'
import type { NodePlan } from './kafka-settings.ts'
import { freePorts } from './ports.ts'
import type { KafkaOptions, Progress } from './services.ts'

const STARTS = 3
const READY_WITHIN_MS = 60_000
const TERMINATE_WITHIN_MS = 20_000
// 400 MB is what three nodes need to stay near 0.4 GB each; the serial collector starts fastest and suits two cores.
const JVM = ['-Xmx400m', '-Xms128m', '-XX:+UseSerialGC', '-XX:-UsePerfData', '-Djava.awt.headless=true']

/**
 * Starts Apache Kafka from its jars: combined KRaft nodes on free loopback ports, data in temporary folders that go with it.
 *
 * @throws Error with the end of the server's log when a node ends or is not ready within a minute.
 */
export async function startJarKafka(options: KafkaOptions, progress: Progress): Promise<RunningKafka> {
  const distribution = await fetchKafka(progress)
  if (!existsSync(distribution.classArchive)) await archiveClasses(distribution, progress)
  const jvm = existsSync(distribution.classArchive)
    ? [...JVM, `-XX:SharedArchiveFile=${distribution.classArchive}`]
    : JVM
  return startWithFreshPorts(options, distribution, jvm, progress)
}

/**
 * Runs a node once and keeps the classes that it loaded in an archive (Java's dynamic class data sharing), which takes a second off
 * each later start. It can only be done at the jars' final place: Java compares the paths. A failure only costs that second.
 */
async function archiveClasses(distribution: KafkaDistribution, progress: Progress): Promise<void> {
  progress('kafka: preparing faster starts (once)')
  const partial = `${distribution.classArchive}.partial-${process.pid}`
  try {
    const jvm = [...JVM, `-XX:ArchiveClassesAtExit=${partial}`]
    const kafka = await startWithFreshPorts({}, distribution, jvm, () => undefined)
    await kafka.nodes[0]?.terminate()
    await kafka.close()
    await rename(partial, distribution.classArchive)
  } catch {
    await rm(partial, { force: true })
  }
}

async function startWithFreshPorts(
  options: KafkaOptions,
  distribution: KafkaDistribution,
  jvm: readonly string[],
  progress: Progress,
): Promise<RunningKafka> {
  for (let start = 1; ; start++) {
    try {
      return await startCluster(options, distribution, jvm, progress)
    } catch (error) {
      if (start === STARTS || !isPortClash(error)) throw error
      progress('kafka: another process took a port meanwhile, starting again with others')
    }
  }
}

/** A port was free when it was looked up and taken when the node bound it. */
function isPortClash(error: unknown): boolean {
  return error instanceof Error && /Address already in use|BindException/.test(error.message)
}

async function startCluster(
  options: KafkaOptions,
  distribution: KafkaDistribution,
  jvm: readonly string[],
  progress: Progress,
): Promise<RunningKafka> {
  const startedAt = performance.now()
  const clusterId = randomBytes(16).toString('base64url')
  const plans = await planNodes(options)
  const nodes = await Promise.all(
    plans.map(async (plan) => {
      const proxy = plan.proxyPort === undefined ? undefined : await startKafkaProxy()
      proxy?.setUpstream(plan.proxyPort as number)
      return createNode({ ...plan, advertisedPort: proxy?.port ?? plan.directPort }, proxy)
    }),
  )
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()))
  }
  progress(`kafka: starting ${nodes.length === 1 ? 'one node' : `${nodes.length} nodes`} from jars`)
  try {
    await Promise.all(nodes.map((node) => node.start()))
    await Promise.all(nodes.map((node) => node.ready()))
  } catch (error) {
    await close()
    throw error
  }
  progress(`kafka: ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
  return { brokers: nodes.map((node) => node.address), how: 'jars', nodes, classpath: distribution.classpath, close }

  function createNode(plan: NodePlan, proxy: KafkaProxy | undefined): OwnedNode {
    let child: Child | undefined
    let folder: string | undefined

    async function start(): Promise<void> {
      if (folder === undefined) {
        folder = await makeFolder(`kafka-${plan.id}`)
        await format(folder, plan)
      }
      child = await startChild({
        command: 'java',
        args: [...jvm, '-cp', distribution.classpath, 'kafka.Kafka', join(folder, 'server.properties')],
        folder,
      })
    }

    async function ready(): Promise<void> {
      const deadline = performance.now() + READY_WITHIN_MS
      while (!(await answers(plan, plans).catch(() => false))) {
        if (child?.exit !== undefined) {
          throw new Error(`Kafka node ${plan.id} ended (${describeExit(child)}):\n${await child.logTail()}`)
        }
        if (performance.now() > deadline) {
          throw new Error(`Kafka node ${plan.id} was not ready after ${READY_WITHIN_MS} ms:\n${await child?.logTail()}`)
        }
        await sleep(25)
      }
    }

    async function format(into: string, node: NodePlan): Promise<void> {
      const data = join(into, 'data')
      await mkdir(data)
      await copyFile(distribution.bootstrapCheckpoint, join(data, 'bootstrap.checkpoint'))
      const directoryId = randomBytes(16).toString('base64url')
      await writeFile(
        join(data, 'meta.properties'),
        `version=1\ncluster.id=${clusterId}\nnode.id=${node.id}\ndirectory.id=${directoryId}\n`,
      )
      await writeFile(
        join(into, 'server.properties'),
        serverProperties(node, plans, data, { ...tlsSettings(options), ...options.settings }),
      )
    }

    return {
      id: plan.id,
      address: `127.0.0.1:${plan.advertisedPort}`,
      directAddress: `127.0.0.1:${plan.directPort}`,
      ...(plan.tlsPort === undefined ? {} : { tlsAddress: `127.0.0.1:${plan.tlsPort}` }),
      ...(proxy === undefined ? {} : { proxy }),
      get pid() {
        return running().pid
      },
      kill: () => running().stop('SIGKILL', 0),
      terminate: () => running().stop('SIGTERM', TERMINATE_WITHIN_MS),
      pause: () => running().signal('SIGSTOP'),
      resume: () => running().signal('SIGCONT'),
      async restart() {
        if (child !== undefined && child.exit === undefined) await child.stop('SIGKILL', 0)
        await start()
        await ready()
      },
      start,
      ready,
      async close() {
        // Killed rather than shut down: its data is thrown away with it.
        await child?.stop('SIGKILL', 0)
        await proxy?.close()
        if (folder !== undefined) await removeFolder(folder)
      },
    }

    function running(): Child {
      if (child === undefined) throw new Error(`Kafka node ${plan.id} was never started`)
      return child
    }
  }
}

interface OwnedNode extends KafkaNode {
  start(): Promise<void>
  ready(): Promise<void>
  close(): Promise<void>
}

async function planNodes(options: KafkaOptions): Promise<Omit<NodePlan, 'advertisedPort'>[]> {
  const count = options.nodes ?? 1
  const ports = await freePorts(count * 4)
  return Array.from({ length: count }, (_, index) => {
    const [directPort = 0, controllerPort = 0, proxyPort = 0, tlsPort = 0] = ports.slice(index * 4, (index + 1) * 4)
    return {
      id: index + 1,
      directPort,
      controllerPort,
      ...(options.proxied === true ? { proxyPort } : {}),
      ...(options.tls === undefined ? {} : { tlsPort }),
    }
  })
}

function tlsSettings({ tls }: KafkaOptions): Record<string, string> {
  if (tls === undefined) return {}
  return {
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': tls.keyStore,
    'ssl.keystore.password': tls.password,
    'ssl.key.password': tls.password,
  }
}

/** Ready: this node knows every node that is up as alive, and finds the coordinators of groups and transactions. */
async function answers(plan: NodePlan, plans: readonly Omit<NodePlan, 'advertisedPort'>[]): Promise<boolean> {
  const known = new Set((await liveBrokers(plan.directPort)).map((broker) => broker.id))
  // A node that another test has killed cannot be waited for; one that runs must know about this one, too.
  const others = await Promise.all(
    plans.map(async (other) => {
      if (other.id === plan.id) return known.has(plan.id)
      const seen = await liveBrokers(other.directPort).catch(() => undefined)
      return seen === undefined || (known.has(other.id) && seen.some((broker) => broker.id === plan.id))
    }),
  )
  if (others.includes(false)) return false
  const found = await Promise.all([
    hasCoordinator(plan.directPort, 'group'),
    hasCoordinator(plan.directPort, 'transaction'),
  ])
  return !found.includes(false)
}

function describeExit(child: Child): string {
  return child.exit?.signal ?? `exit code ${child.exit?.code}`
}

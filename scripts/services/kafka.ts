import { dockerAnswers, startDockerKafka } from './kafka-docker.ts'
import { startJarKafka } from './kafka-jars.ts'
import type { KafkaProxy } from './kafka-proxy/index.ts'
import { hasMaven, javaVersion } from './maven.ts'
import type { KafkaOptions, Progress } from './services.ts'

/** A Kafka that answers. */
export interface RunningKafka {
  /** Addresses for clients, `host:port`; the proxies' where there are proxies. */
  readonly brokers: string[]
  readonly how: 'KAFKA_BROKERS' | 'docker' | 'jars'
  /** The brokers this process can kill, pause and restart: those from jars, else none. */
  readonly nodes: readonly KafkaNode[]
  /** Java class path of Kafka's own jars (`<folder>/*`), where they are at hand. */
  readonly classpath?: string
  /** Stops what was started. Can be called again. */
  close(): Promise<void>
}

/** One broker that this process runs. */
export interface KafkaNode {
  readonly id: number
  /** What clients are told: the proxy's address where there is one. */
  readonly address: string
  /** The broker itself, past any proxy. */
  readonly directAddress: string
  /** Its listener with TLS, where it was asked for one. */
  readonly tlsAddress?: string
  /** Process id of the running server; another one after {@link KafkaNode.restart}. */
  readonly pid: number
  readonly proxy?: KafkaProxy
  /** SIGKILL: as a crash. Resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM: an orderly shutdown, which hands leadership over. Resolves when the process is gone. */
  terminate(): Promise<void>
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /**
   * Starts the server again on its own data and ports; resolves when the cluster has it back, which after a kill takes until its
   * old session has run out (3 to 4 s). Where most nodes are down, restart them at the same time: alone none gets ready.
   */
  restart(): Promise<void>
}

/** The oldest Java that Kafka 4 brokers run on. */
const OLDEST_JAVA = 17

/**
 * Provides Kafka: `KAFKA_BROKERS` if set; else Docker if its daemon answers; else Apache Kafka's own jars. What a given broker
 * cannot offer (proxies, settings, brokers to kill) always means jars; Docker gives a single node.
 *
 * @throws Error that names what to install when nothing of these can be had.
 */
export async function startKafka(options: KafkaOptions, progress: Progress): Promise<RunningKafka> {
  const given = (process.env['KAFKA_BROKERS'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
  const needsOwn =
    options.own === true || options.proxied === true || options.tls !== undefined || options.settings !== undefined

  if (given.length > 0 && !needsOwn) {
    progress(`using KAFKA_BROKERS: ${given.join(', ')}`)
    return { brokers: given, how: 'KAFKA_BROKERS', nodes: [], close: async () => undefined }
  }
  if (!needsOwn && options.nodes !== 3 && (await dockerAnswers())) return startDockerKafka(progress)

  const [java, maven] = await Promise.all([javaVersion(), hasMaven()])
  if (process.platform === 'win32' || java === undefined || java < OLDEST_JAVA || !maven) {
    throw new Error(nothingToRun(needsOwn || options.nodes === 3, java, maven))
  }
  return startJarKafka(options, progress)
}

function nothingToRun(jarsOnly: boolean, java: number | undefined, maven: boolean): string {
  const missing = [
    java === undefined ? 'no `java` on the PATH' : java < OLDEST_JAVA ? `\`java\` is version ${java}` : '',
    maven ? '' : 'no `mvn` on the PATH',
    process.platform === 'win32' ? 'Windows cannot run the jars here' : '',
  ].filter((reason) => reason !== '')
  const ways = [
    ...(jarsOnly ? [] : ['- Docker, with its daemon running']),
    `- Java ${OLDEST_JAVA} or newer and Maven (\`java\` and \`mvn\` on the PATH): ${missing.join(', ')}`,
    ...(jarsOnly ? [] : ['- KAFKA_BROKERS=host:port[,host:port] for a broker that already runs']),
  ]
  return `Kafka cannot be started. Provide ${ways.length > 1 ? 'one of' : 'this'}:\n${ways.join('\n')}`
}

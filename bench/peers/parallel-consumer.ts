import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cachedFolder } from '../../scripts/services/cached-folder.ts'
import type { ConsumerProcess } from '../consumer-process.ts'
import { startConsumerProcess } from '../consumer-process.ts'

const run = promisify(execFile)
const SOURCE = join(dirname(fileURLToPath(import.meta.url)), 'parallel-consumer')
const FILES = ['pom.xml', 'src/main/java/ParallelConsumerPeer.java']

/** The version of Confluent's Parallel Consumer that its `pom.xml` names. */
export async function parallelConsumerVersion(): Promise<string> {
  const pom = await readFile(join(SOURCE, 'pom.xml'), 'utf8')
  return /parallel-consumer-core<\/artifactId>\s*<version>([^<]+)</.exec(pom)![1]!
}

/** What the Java program is told. */
export interface ParallelConsumerSpec {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly concurrency: number
  /** What each record waits for, in milliseconds. */
  readonly ioMs: number
}

/**
 * Starts the Java program, built from Maven Central by the first call and kept in the cache.
 *
 * @throws Error with the end of Maven's output; needs `mvn` and a JDK of 17 or newer, as Kafka's own jars do
 */
export async function startParallelConsumer(
  spec: ParallelConsumerSpec,
  progress: (line: string) => void,
): Promise<ConsumerProcess> {
  const folder = await build(progress)
  const classpath = [join(folder, 'target', 'classes'), join(folder, 'lib', '*')].join(delimiter)
  const args = [spec.brokers.join(','), spec.topic, spec.concurrency, spec.ioMs].map(String)
  return startConsumerProcess('java', ['-cp', classpath, 'ParallelConsumerPeer', ...args])
}

async function build(progress: (line: string) => void): Promise<string> {
  const sources = await Promise.all(FILES.map((file) => readFile(join(SOURCE, file))))
  const hash = createHash('sha256').update(Buffer.concat(sources)).digest('hex').slice(0, 12)
  return cachedFolder(
    `parallel-consumer-${await parallelConsumerVersion()}-${hash}`,
    async (partial) => {
      progress('parallel-consumer: building it from Maven Central (once)')
      await cp(SOURCE, partial, { recursive: true })
      const goals = ['compile', 'dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=lib']
      await run('mvn', ['-B', '--strict-checksums', ...goals], { cwd: partial, maxBuffer: 16 * 2 ** 20 }).catch(
        (error: { readonly stdout?: string; readonly message: string }) => {
          throw new Error(`mvn failed:\n${(error.stdout || error.message).split('\n').slice(-25).join('\n')}`)
        },
      )
    },
    progress,
  )
}

import { execFile } from 'node:child_process'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cachedFolder } from './cached-folder.ts'
import { copyJars, javaVersion } from './maven.ts'
import type { Progress } from './services.ts'

const run = promisify(execFile)

/** The Apache Kafka that is run from jars. */
export const KAFKA_VERSION = '4.3.1'

/** Kafka's own jars, at hand. */
export interface KafkaDistribution {
  /** Java class path of all jars. */
  readonly classpath: string
  /** The features that `StorageTool format` writes; the same for every node and cluster of this version. */
  readonly bootstrapCheckpoint: string
  /** Where the archive of loaded classes belongs, which halves the start of the Java machine; may not exist yet. */
  readonly classArchive: string
}

/**
 * Fetches Apache Kafka from Maven Central once and keeps it in the cache. The folder of a node is formatted here once too and its
 * checkpoint kept, which saves every later start a second Java machine.
 *
 * @throws Error with the end of Maven's or the tool's output.
 */
export async function fetchKafka(progress: Progress): Promise<KafkaDistribution> {
  const folder = await cachedFolder(
    `kafka-${KAFKA_VERSION}`,
    async (partial) => {
      progress(`kafka: fetching Apache Kafka ${KAFKA_VERSION} from Maven Central (about 100 MB, once)`)
      const artifacts = [
        { group: 'org.apache.kafka', name: 'kafka_2.13', version: KAFKA_VERSION },
        { group: 'org.apache.kafka', name: 'kafka-tools', version: KAFKA_VERSION },
        { group: 'org.slf4j', name: 'slf4j-simple', version: '1.7.36' },
      ]
      await copyJars(artifacts, partial, (line) => progress(`kafka: ${line}`))
      await formatOnce(partial)
      progress('kafka: fetched')
    },
    (line) => progress(`kafka: ${line}`),
  )
  return {
    classpath: join(folder, 'lib', '*'),
    bootstrapCheckpoint: join(folder, 'bootstrap.checkpoint'),
    classArchive: join(folder, `classes-java-${await javaVersion()}.jsa`),
  }
}

async function formatOnce(folder: string): Promise<void> {
  const properties = join(folder, 'format.properties')
  const data = join(folder, 'formatted')
  await mkdir(data)
  await writeFile(
    properties,
    [
      'process.roles=broker,controller',
      'node.id=1',
      'controller.quorum.voters=1@127.0.0.1:1',
      'listeners=DIRECT://127.0.0.1:2,CONTROLLER://127.0.0.1:1',
      'inter.broker.listener.name=DIRECT',
      'controller.listener.names=CONTROLLER',
      'listener.security.protocol.map=DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      `log.dirs=${data}`,
    ].join('\n'),
  )
  const id = 'AAAAAAAAAAAAAAAAAAAAAQ' // a cluster id is 16 bytes in base64; this cluster never runs
  await run(
    'java',
    ['-cp', join(folder, 'lib', '*'), 'kafka.tools.StorageTool', 'format', '-t', id, '-c', properties],
    {
      maxBuffer: 8 * 2 ** 20,
    },
  )
  await rename(join(data, 'bootstrap.checkpoint'), join(folder, 'bootstrap.checkpoint'))
  await rm(data, { recursive: true })
  await rm(properties)
}

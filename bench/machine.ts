import { cpus, totalmem } from 'node:os'
import { readFileSync } from 'node:fs'
import { KAFKA_VERSION } from '../scripts/services/kafka-distribution.ts'
import { javaVersion } from '../scripts/services/maven.ts'
import { parallelConsumerVersion } from './peers/parallel-consumer.ts'

/** What the figures were measured on. */
export function machine(): { cpu: string; cores: number; memoryGb: number } {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30) }
}

/** The versions that the figures are about. */
export async function versions(how: string): Promise<Record<string, string>> {
  return {
    node: process.version.slice(1),
    holdfast: versionOf('.'),
    kafkajs: versionOf('node_modules/kafkajs'),
    kafka: how === 'jars' ? KAFKA_VERSION : how,
    'pg-transactional-outbox': versionOf('node_modules/pg-transactional-outbox'),
    java: String((await javaVersion()) ?? 'none'),
    'parallel-consumer': await parallelConsumerVersion(),
  }
}

function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { version: string }).version
}

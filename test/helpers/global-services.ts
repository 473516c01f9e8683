import type { TestProject } from 'vitest/node'
import { startServices } from '../../scripts/services/index.ts'
import type { Services } from '../../scripts/services/index.ts'
import './provided.ts'

const KNOWN = ['kafka', 'postgres', 'redis'] as const
let services: Services | undefined

/**
 * The globalSetup of tests that need real servers: starts one shared single-node Kafka, or what `HOLDFAST_TEST_SERVICES` names
 * (`kafka,postgres,redis`), and ends it with the run. A service that cannot be started fails the run; nothing is skipped.
 */
export async function setup(project: TestProject): Promise<void> {
  const wanted = (process.env['HOLDFAST_TEST_SERVICES'] ?? 'kafka').split(',').map((name) => name.trim())
  const unknown = wanted.filter((name) => !(KNOWN as readonly string[]).includes(name))
  if (unknown.length > 0) throw new Error(`HOLDFAST_TEST_SERVICES names unknown services: ${unknown.join(', ')}`)

  services = await startServices({
    ...(wanted.includes('kafka') ? { kafka: {} } : {}),
    postgres: wanted.includes('postgres'),
    redis: wanted.includes('redis'),
    onProgress: (line) => process.stderr.write(`${line}\n`),
  })
  project.provide('kafkaBrokers', services.kafka?.brokers)
  project.provide('kafkaClasspath', services.kafka?.classpath)
  project.provide('postgresUrl', services.postgres?.url)
  project.provide('redisUrl', services.redis?.url)
}

/** Ends what {@link setup} started; the servers' guards do it when the run is killed instead. */
export async function teardown(): Promise<void> {
  await services?.close()
}

import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import './provided.ts'

export { fetchKafka, startServices } from '../../scripts/services/index.ts'
export type { KafkaNode, RunningKafka, RunningService, Services } from '../../scripts/services/index.ts'

/** The broker that all test files share. */
export interface SharedKafka {
  readonly brokers: string[]
  /** Java class path of Kafka's own jars, where the shared broker runs from them. */
  readonly classpath?: string
}

/**
 * The single-node Kafka shared by the whole run. Tests use topics, groups and transactional ids of their own
 * ({@link uniqueName}); one that kills, pauses or reconfigures brokers starts its own cluster with `startServices`.
 */
export async function useKafka(): Promise<SharedKafka> {
  const brokers = inject('kafkaBrokers')
  if (brokers === undefined)
    throw new Error('no Kafka in this run: test/helpers/global-services.ts is not its globalSetup')
  const classpath = inject('kafkaClasspath')
  return { brokers: [...brokers], ...(classpath === undefined ? {} : { classpath }) }
}

/** The PostgreSQL shared by the whole run; only in runs whose `HOLDFAST_TEST_SERVICES` names it. */
export function usePostgres(): { readonly url: string } {
  return { url: shared('postgresUrl', 'postgres') }
}

/** The Redis shared by the whole run; only in runs whose `HOLDFAST_TEST_SERVICES` names it. */
export function useRedis(): { readonly url: string } {
  return { url: shared('redisUrl', 'redis') }
}

/** A name that no other test uses, valid for topics, groups, transactional ids and (in lower case) databases. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`
}

function shared(key: 'postgresUrl' | 'redisUrl', service: string): string {
  const url = inject(key)
  if (url === undefined) throw new Error(`no ${service} in this run: HOLDFAST_TEST_SERVICES does not name it`)
  return url
}

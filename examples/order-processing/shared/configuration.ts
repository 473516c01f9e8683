/** What a service takes from its environment. */
export interface Configuration {
  readonly brokers: string[]
  readonly databaseUrl: string
  readonly redisUrl: string
  /** Heads every key in Redis: for a Redis that is shared with others. */
  readonly redisPrefix: string
  /** Makes the simulated outside world (payment gateway, mail server) fail in the same places on every run. */
  readonly seed: number
  readonly port: number
  /** How long the partitions of a process that was killed or stands still wait for their next owner. */
  readonly sessionTimeoutMs: number
}

/** Reads the environment; all that is missing is named at once, before anything connects. */
export function readConfiguration(environment: Readonly<Record<string, string | undefined>>): Configuration {
  const { KAFKA_BROKERS, DATABASE_URL, REDIS_URL, REDIS_PREFIX = '' } = environment
  const { SEED = '1', PORT = '3000', SESSION_TIMEOUT_MS = '30000' } = environment
  const problems = [
    ...(KAFKA_BROKERS ? [] : ['KAFKA_BROKERS is missing: localhost:9092, or what `npm run broker` prints']),
    ...(DATABASE_URL ? [] : ['DATABASE_URL is missing: what `npm run broker -- --postgres` prints']),
    ...(REDIS_URL ? [] : ['REDIS_URL is missing: what `npm run broker -- --redis` prints']),
    ...(/^\d{1,9}$/.test(SEED) ? [] : ['SEED is not a whole number']),
    ...(/^\d{1,5}$/.test(PORT) ? [] : ['PORT is not a port']),
    ...(isSessionTimeout(SESSION_TIMEOUT_MS) ? [] : ['SESSION_TIMEOUT_MS is not a whole number of 6000 to 1800000']),
  ]
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return {
    brokers: KAFKA_BROKERS!.split(','),
    databaseUrl: DATABASE_URL!,
    redisUrl: REDIS_URL!,
    redisPrefix: REDIS_PREFIX,
    seed: Number(SEED),
    port: Number(PORT),
    sessionTimeoutMs: Number(SESSION_TIMEOUT_MS),
  }
}

/** What a broker takes unless it was told otherwise: `group.min.session.timeout.ms` and `group.max.session.timeout.ms`. */
function isSessionTimeout(text: string): boolean {
  return /^\d{4,7}$/.test(text) && Number(text) >= 6_000 && Number(text) <= 1_800_000
}

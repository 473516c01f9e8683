/** What a service takes from its environment. */
export interface Configuration {
  readonly brokers: string[]
  readonly databaseUrl: string
  /** Makes the simulated outside world (payment gateway, mail server) fail in the same places on every run. */
  readonly seed: number
  readonly port: number
}

/** Reads the environment; all that is missing is named at once, before anything connects. */
export function readConfiguration(environment: Readonly<Record<string, string | undefined>>): Configuration {
  const { KAFKA_BROKERS, DATABASE_URL, SEED = '1', PORT = '3000' } = environment
  const problems = [
    ...(KAFKA_BROKERS ? [] : ['KAFKA_BROKERS is missing: localhost:9092, or what `npm run broker` prints']),
    ...(DATABASE_URL ? [] : ['DATABASE_URL is missing: what `npm run broker -- --postgres` prints']),
    ...(/^\d{1,9}$/.test(SEED) ? [] : ['SEED is not a whole number']),
    ...(/^\d{1,5}$/.test(PORT) ? [] : ['PORT is not a port']),
  ]
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return { brokers: KAFKA_BROKERS!.split(','), databaseUrl: DATABASE_URL!, seed: Number(SEED), port: Number(PORT) }
}

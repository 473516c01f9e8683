import type { Driver, Logger, Telemetry } from 'holdfast'
import { closeOnSignals } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { openTelemetry, semconvFrom } from 'holdfast/otel'
import { Pool } from 'pg'
import type { Configuration } from './configuration.ts'
import { readConfiguration } from './configuration.ts'
import { createLog } from './log.ts'
import { startTracing } from './tracing.ts'

/** What each process has, whatever it does: settings, a log, Kafka, a database, and a way to end well. */
export interface Surroundings {
  readonly name: string
  readonly configuration: Configuration
  readonly log: Logger
  readonly telemetry: Telemetry
  readonly driver: Driver
  readonly database: Pool
  /** Three may be lost before a session is over. */
  readonly heartbeatIntervalMs: number
  /** Opens, and says that it is ready. SIGTERM and Ctrl-C close the parts in the order given, and then what all of them use. */
  readonly run: (parts: readonly Part[], open: () => Promise<unknown>) => Promise<void>
  /** Ends the process at once, with the reason in its log. */
  readonly giveUp: (error: unknown) => never
}

/** Something that is opened once and closed once. */
export interface Part {
  open?(): unknown
  close(): unknown
}

/** The longest that a transaction may stand open between two statements, with its locks. */
const IDLE_IN_TRANSACTION_MS = 10_000
/** Longer, since a statement may wait for a lock that such a transaction holds. */
const STATEMENT_TIMEOUT_MS = 15_000
/** Longer still, and on this side: for a server that does not answer at all, and a pool whose connections all wait. */
const DATABASE_TIMEOUT_MS = 20_000

/** Reads the environment and makes what a process needs. Nothing connects before `run`. */
export function createSurroundings(name: string, connections: number): Surroundings {
  const configuration = readConfiguration(process.env)
  const stopTracing = startTracing(name)
  const log = createLog(name)
  const { sessionTimeoutMs } = configuration
  const heartbeatIntervalMs = Math.floor(Math.min(3_000, sessionTimeoutMs / 4))
  const database = new Pool({
    connectionString: configuration.databaseUrl,
    application_name: name,
    max: connections,
    // Nothing waits for ever: what takes longer is a failed attempt.
    connectionTimeoutMillis: DATABASE_TIMEOUT_MS,
    query_timeout: DATABASE_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // A process that stands still keeps its open transactions, with their locks. They end before the next owner of its partitions can
    // need them: a session counts from its last heartbeat.
    idle_in_transaction_session_timeout: Math.min(IDLE_IN_TRANSACTION_MS, sessionTimeoutMs - heartbeatIntervalMs - 500),
  })
  database.on('error', (error) => log.warn({ code: (error as { code?: string }).code }, 'a database connection broke'))
  const giveUp = (error: unknown): never => {
    log.error({ error: error instanceof Error ? error.message : String(error) }, 'gave up')
    process.exit(1)
  }
  return {
    name,
    configuration,
    log,
    telemetry: openTelemetry({ semconv: semconvFrom(process.env['OTEL_SEMCONV_STABILITY_OPT_IN']) }),
    driver: kafkajsDriver({ clientId: name, brokers: configuration.brokers }),
    database,
    heartbeatIntervalMs,
    async run(parts, open) {
      closeOnSignals([...parts, { close: () => database.end() }, { close: stopTracing }], { logger: log })
      try {
        await open()
        log.info({}, 'ready')
      } catch (error) {
        giveUp(error)
      }
    },
    giveUp,
  }
}

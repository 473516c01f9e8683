import type { Closable, Consumer, DedupeStore, Logger, Producer } from 'holdfast'
import { closeOnSignals, createConsumer, createProducer, memoryDedupeStore } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { openTelemetry, semconvFrom } from 'holdfast/otel'
import { Pool } from 'pg'
import type { Configuration } from './configuration.ts'
import { readConfiguration } from './configuration.ts'
import { createLog } from './log.ts'
import { startTracing } from './tracing.ts'

/** What each service has: a consumer in a group of its own name, a producer, a database, and a way to end well. */
export interface Service {
  readonly configuration: Configuration
  readonly log: Logger
  readonly consumer: Consumer
  readonly producer: Producer
  readonly database: Pool
  /** Recognises redelivered events for as long as this process lives; a restart forgets them. */
  readonly dedupe: { readonly store: DedupeStore }
  /**
   * Connects, and returns when the first partitions are assigned. SIGTERM and Ctrl-C end the service in order.
   *
   * @param first - closed before all else
   */
  readonly start: (...first: readonly Closable[]) => Promise<void>
}

/** How a service differs from the others. */
export interface ServiceOptions {
  /**
   * Messages in handlers at a time. As many as there are database connections is right for handlers that mostly talk to the database;
   * one that waits for something else may have more.
   *
   * @defaultValue `CONNECTIONS`
   */
  readonly concurrency?: number
}

/** Database connections of one process: a dozen processes share the 100 that PostgreSQL has by default. */
const CONNECTIONS = 6

/** How long the partitions of a killed or stopped process wait for their next owner; 6 s is Kafka's usual minimum. */
const SESSION_TIMEOUT_MS = 6_000
const HEARTBEAT_INTERVAL_MS = 1_500

/** Wires a service. Nothing connects before `start`. */
export function createService(name: string, { concurrency = CONNECTIONS }: ServiceOptions = {}): Service {
  const configuration = readConfiguration(process.env)
  const stopTracing = startTracing(name)
  const log = createLog(name)
  const telemetry = openTelemetry({ semconv: semconvFrom(process.env['OTEL_SEMCONV_STABILITY_OPT_IN']) })
  const driver = kafkajsDriver({ clientId: name, brokers: configuration.brokers })

  const producer = createProducer({ driver, telemetry, logger: log })
  const consumer = createConsumer({
    driver,
    groupId: name,
    telemetry,
    logger: log,
    concurrency,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
  })
  consumer.listen('stale-refused', ({ position, operation }) => {
    log.warn({ ...position, operation }, 'late work refused: the partition is somebody else’s by now')
  })
  const database = new Pool({
    connectionString: configuration.databaseUrl,
    application_name: name,
    max: CONNECTIONS,
    // A process that stands still keeps its open transactions, with their locks. They end before the next owner of its partitions can
    // need them: a session counts from its last heartbeat.
    idle_in_transaction_session_timeout: SESSION_TIMEOUT_MS - HEARTBEAT_INTERVAL_MS - 500,
  })
  database.on('error', (error) => log.warn({ code: (error as { code?: string }).code }, 'a database connection broke'))

  return {
    configuration,
    log,
    consumer,
    producer,
    database,
    dedupe: { store: memoryDedupeStore({ maxEntries: 50_000 }) },
    start: async (...first) => {
      // In this order: take no new work, finish and commit what is under way, and only then close what handlers use.
      closeOnSignals([...first, consumer, producer, { close: () => database.end() }, { close: stopTracing }], {
        logger: log,
      })
      // A consumer that ends by itself for good has lost its purpose: leave, and let the supervisor start a new process.
      consumer.closed.catch((error: unknown) => die(log, error))
      try {
        await producer.start()
        await consumer.start()
        log.info({}, 'ready')
      } catch (error) {
        die(log, error)
      }
    },
  }
}

function die(log: Logger, error: unknown): never {
  log.error({ error: error instanceof Error ? error.message : String(error) }, 'gave up')
  process.exit(1)
}

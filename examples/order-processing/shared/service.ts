import type { Consumer, DedupeStore, Inbox, Logger, Producer } from 'holdfast'
import { closeOnSignals, createConsumer, createProducer, memoryDedupeStore } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { openTelemetry, semconvFrom } from 'holdfast/otel'
import { postgresInbox } from 'holdfast/postgres'
import type { PoolClient } from 'pg'
import { Pool } from 'pg'
import type { Configuration } from './configuration.ts'
import { readConfiguration } from './configuration.ts'
import { inboxTable } from './database.ts'
import { createLog } from './log.ts'
import { startTracing } from './tracing.ts'
import { watchUnderWay } from './under-way.ts'

/** What each service has: a consumer in a group of its own name, a producer, a database, and a way to end well. */
export interface Service {
  readonly configuration: Configuration
  readonly log: Logger
  readonly consumer: Consumer
  readonly producer: Producer
  readonly database: Pool
  /** Makes what a handler writes through `context.tx` happen once. Needs a table: see `setup.ts`. */
  readonly inbox: Inbox<PoolClient>
  /** Recognises redelivered events for as long as this process lives; a restart forgets them. */
  readonly dedupe: { readonly store: DedupeStore }
  /** Connects, and returns when the first partitions are assigned. SIGTERM and Ctrl-C end the service in order. */
  readonly start: (parts?: Parts) => Promise<void>
}

/** What a service has beside its consumer. */
export interface Parts {
  /** Where work comes in other than from Kafka. Opened when the producer has started: it needs no partition. Closed before all else. */
  readonly before?: Part
  /** What handlers leave work for, or work with. Opened before the consumer, and closed after it, while the producer still sends. */
  readonly after?: Part
}

/** Something that is opened once and closed once. */
export interface Part {
  open?(): unknown
  close(): unknown
}

/** How a service differs from the others. */
export interface ServiceOptions {
  /**
   * Messages in handlers at a time. With an inbox each of them has a connection, so no more than there are, without the two that the
   * inbox needs itself; one that waits for something else may have more.
   *
   * @defaultValue {@link IN_TRANSACTIONS}
   */
  readonly concurrency?: number
}

/** Database connections of one process: a dozen processes share the 100 that PostgreSQL has by default. */
const CONNECTIONS = 8
/** Handlers that may each hold a connection: the inbox keeps two for itself. */
const IN_TRANSACTIONS = CONNECTIONS - 2

/** The longest that a transaction may stand open between two statements, with its locks. */
const IDLE_IN_TRANSACTION_MS = 10_000
/** Longer, since a statement may wait for a lock that such a transaction holds. */
const STATEMENT_TIMEOUT_MS = 15_000
/** Longer still, and on this side: for a server that does not answer at all, and a pool whose connections all wait. */
const DATABASE_TIMEOUT_MS = 20_000

/** Wires a service. Nothing connects before `start`. */
export function createService(name: string, { concurrency = IN_TRANSACTIONS }: ServiceOptions = {}): Service {
  const configuration = readConfiguration(process.env)
  const stopTracing = startTracing(name)
  const log = createLog(name)
  const underWay = watchUnderWay()
  const telemetry = openTelemetry({ semconv: semconvFrom(process.env['OTEL_SEMCONV_STABILITY_OPT_IN']) })
  const driver = kafkajsDriver({ clientId: name, brokers: configuration.brokers })
  const { sessionTimeoutMs } = configuration
  const heartbeatIntervalMs = Math.floor(Math.min(3_000, sessionTimeoutMs / 4)) // three may be lost before the session is over

  const producer = createProducer({ driver, telemetry, logger: log })
  const consumer = createConsumer({
    driver,
    groupId: name,
    telemetry: underWay.through(telemetry),
    logger: log,
    concurrency,
    sessionTimeoutMs,
    heartbeatIntervalMs,
  })
  consumer.listen('stale-refused', ({ position, operation }) => {
    log.warn({ ...position, operation }, 'late work refused: the partition is somebody else’s by now')
  })
  consumer.listen('lost', () => {
    void underWay
      .ended()
      .then((records) => log.info({ records }, 'what was under way when the membership was lost has ended'))
  })
  const database = new Pool({
    connectionString: configuration.databaseUrl,
    application_name: name,
    max: CONNECTIONS,
    // Nothing waits for ever: what takes longer is a failed attempt.
    connectionTimeoutMillis: DATABASE_TIMEOUT_MS,
    query_timeout: DATABASE_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // A process that stands still keeps its open transactions, with their locks. They end before the next owner of its partitions can
    // need them: a session counts from its last heartbeat.
    idle_in_transaction_session_timeout: Math.min(IDLE_IN_TRANSACTION_MS, sessionTimeoutMs - heartbeatIntervalMs - 500),
  })
  database.on('error', (error) => log.warn({ code: (error as { code?: string }).code }, 'a database connection broke'))

  return {
    configuration,
    log,
    consumer,
    producer,
    database,
    inbox: postgresInbox(database, { table: inboxTable(name) }),
    dedupe: { store: memoryDedupeStore({ maxEntries: 50_000 }) },
    start: async ({ before, after } = {}) => {
      // In this order: take no new work, finish and commit what is under way, tell what is still to be told, and only then close what
      // all of them use.
      const all = [before, consumer, after, producer, { close: () => database.end() }, { close: stopTracing }]
      closeOnSignals(
        all.filter((each) => each !== undefined),
        { logger: log },
      )
      // A consumer that ends by itself for good has lost its purpose: leave, and let the supervisor start a new process.
      consumer.closed.catch((error: unknown) => die(log, error))
      try {
        await producer.start()
        await before?.open?.()
        await after?.open?.()
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

import type { Consumer, DedupeStore, Inbox, Producer } from 'holdfast'
import { createConsumer, createProducer, memoryDedupeStore } from 'holdfast'
import { postgresInbox } from 'holdfast/postgres'
import type { PoolClient } from 'pg'
import { inboxTable } from './database.ts'
import type { Part, Surroundings } from './surroundings.ts'
import { createSurroundings } from './surroundings.ts'
import { watchUnderWay } from './under-way.ts'

/** What each service has: a consumer in a group of its own name, a producer, a database, and a way to end well. */
export interface Service extends Surroundings {
  readonly consumer: Consumer
  readonly producer: Producer
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

/** How a service differs from the others. */
export interface ServiceOptions {
  /**
   * Messages in handlers at a time. With an inbox each of them has a connection, so no more than there are, without the two that the
   * inbox needs itself; one that waits for something else may have more.
   *
   * @defaultValue {@link IN_TRANSACTIONS}
   */
  readonly concurrency?: number
  /** Database connections of its process. @defaultValue {@link CONNECTIONS} */
  readonly connections?: number
}

/** Database connections of one process: a dozen processes share the 100 that PostgreSQL has by default. */
const CONNECTIONS = 8
/** Handlers that may each hold a connection: the inbox keeps two for itself. */
const IN_TRANSACTIONS = CONNECTIONS - 2

/** Wires a service. Nothing connects before `start`. */
export function createService(name: string, options: ServiceOptions = {}): Service {
  const { concurrency = IN_TRANSACTIONS, connections = CONNECTIONS } = options
  const surroundings = createSurroundings(name, connections)
  const { configuration, database, driver, heartbeatIntervalMs, log, telemetry } = surroundings
  const underWay = watchUnderWay()

  const producer = createProducer({ driver, telemetry, logger: log })
  const consumer = createConsumer({
    driver,
    groupId: name,
    telemetry: underWay.through(telemetry),
    logger: log,
    concurrency,
    sessionTimeoutMs: configuration.sessionTimeoutMs,
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

  return {
    ...surroundings,
    consumer,
    producer,
    inbox: postgresInbox(database, { table: inboxTable(name) }),
    dedupe: { store: memoryDedupeStore({ maxEntries: 50_000 }) },
    start: async ({ before, after } = {}) => {
      // A consumer that ends by itself for good has lost its purpose: leave, and let the supervisor start a new process.
      consumer.closed.catch((error: unknown) => surroundings.giveUp(error))
      // Closed in this order: take no new work, finish and commit what is under way, tell what is still to be told, and only then close what
      // all of them use. Opened in the opposite one, but for `before`, which needs no partition.
      const closing = [before, consumer, after, producer].filter((each) => each !== undefined)
      await surroundings.run(closing, async () => {
        await producer.start()
        await before?.open?.()
        await after?.open?.()
        await consumer.start()
      })
    },
  }
}

import type { Producer, ProducerConfig } from 'kafkajs'
import type { Logger } from '../../logger/index.ts'
import type { KafkajsContext } from './kafkajs-context.ts'
import { bridgeLogs } from './kafkajs-logs.ts'
import { controlSockets } from './socket-control.ts'

/**
 * One kafkajs producer, from its first use to its replacement. After a failure whose effect is unknown its sequence numbers
 * no longer agree with the broker's, and the next acknowledged records may vanish: it is retired, never mended.
 */
export interface InnerProducer {
  readonly kafkajs: Producer
  /** Topics that a metadata request of this producer names for good: one of them deleted fails every later refresh. */
  readonly topics: Set<string>
  /** Connects once; a failure lets the next call try again. */
  connect(): Promise<void>
  readonly isConnected: boolean
  /** Takes no new calls; those under way end on it. */
  readonly retired: boolean
  /** Keeps the sockets open until the returned function is called. */
  hold(): () => void
  /** Cuts the sockets as soon as nobody holds it. */
  retire(): void
  /** Cuts the sockets now: calls under way fail. */
  cut(): void
  readonly isCut: boolean
  /** Resolves when its sockets are cut: no byte of it leaves this process any more. */
  readonly gone: Promise<void>
  /** Closes in peace: only when nothing is under way. */
  close(): Promise<void>
}

/** Makes an inner producer; connects nothing yet. */
export function createInnerProducer(
  context: KafkajsContext,
  logger: Logger,
  config: Pick<ProducerConfig, 'transactionalId' | 'transactionTimeout'>,
): InnerProducer {
  const sockets = controlSockets(context.config.socketFactory)
  let announceGone = (): void => {}
  const gone = new Promise<void>((resolve) => (announceGone = resolve))
  let retired = false
  let cut = false
  let holders = 0
  let connected = false
  let connecting: Promise<void> | undefined

  const kafka = context.newKafka({
    socketFactory: sockets.socketFactory,
    retry: config.transactionalId === undefined ? CLUSTER_RETRY : TRANSACTION_RETRY,
    logCreator: bridgeLogs(
      hushed(logger, () => cut),
      context.config,
    ),
  })
  const producer = kafka.producer({
    ...config,
    idempotent: true,
    allowAutoTopicCreation: false,
    // The core has chosen the partition; this also silences the warning about the changed default partitioner.
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition as number,
    retry: { retries: NO_RETRIES },
  })

  function cutNow(): void {
    if (cut) return
    retired = true
    cut = true
    sockets.cut()
    announceGone()
    producer.disconnect().catch(() => {}) // only ends its timers; there is nothing left to lose
  }

  return {
    kafkajs: producer,
    topics: new Set(),
    connect() {
      connecting ??= producer.connect().then(
        () => void (connected = true),
        (error: unknown) => {
          connecting = undefined
          throw error
        },
      )
      return connecting
    },
    get isConnected() {
      return connected
    },
    get retired() {
      return retired
    },
    hold() {
      holders++
      let held = true
      return () => {
        if (!held) return
        held = false
        holders--
        if (retired && holders === 0) cutNow()
      }
    },
    retire() {
      retired = true
      if (holders === 0) cutNow()
    },
    cut: cutNow,
    get isCut() {
      return cut
    },
    gone,
    async close() {
      retired = true
      if (!cut) await producer.disconnect().catch(() => {})
      cutNow()
    },
  }
}

/**
 * The attempts of a send are ours: each must be judged, and all must end in time, where kafkajs hides them and knows no
 * deadline. It refuses 0 for an idempotent producer (`producer/index.js:45`); no count is below NaN, so it never repeats.
 */
const NO_RETRIES = Number.NaN

/** For kafkajs' own housekeeping (seed brokers, metadata); what fails there is repeated by our attempts. */
const CLUSTER_RETRY = { retries: 3, initialRetryTime: 50, factor: 0.2, multiplier: 2, maxRetryTime: 500 }

/**
 * Also how often InitProducerId is repeated while the broker finishes the last transaction (CONCURRENT_TRANSACTIONS, a few
 * milliseconds): kafkajs' default waits 300 ms each time, which makes 3 transactions a second out of 200.
 */
const TRANSACTION_RETRY = { retries: 200, initialRetryTime: 10, factor: 0.1, multiplier: 1.05, maxRetryTime: 50 }

/** The errors of a producer that we cut ourselves are no errors. */
function hushed(logger: Logger, isCut: () => boolean): Logger {
  const level =
    (name: 'info' | 'warn' | 'error'): Logger['info'] =>
    (fields, message) =>
      isCut() ? logger.debug(fields, message) : logger[name](fields, message)
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: level('info'),
    warn: level('warn'),
    error: level('error'),
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import * as peer from 'pg-transactional-outbox'
import type { Places, PeerSpec, RunningRelay, StartRelay } from '../outbox/relay-spec.ts'

const SLOT = 'peer_slot'
const PUBLICATION = 'peer_publication'
const NEXT_MESSAGES = 'next_outbox_messages'
/** As many transactions at once as help it on two cores. */
const CONNECTIONS = 40
/** As many keys, so as many messages, as it may have under way: more do not make it faster. */
const MESSAGES_AT_ONCE = 500

/** Its own tables, function and indexes, and what its replication listener reads. */
export function peerTableSql(database: string, side: PeerSpec['side']): readonly string[] {
  const setup = {
    outboxOrInbox: 'outbox',
    database,
    schema: 'public',
    table: 'outbox',
    listenerRole: 'postgres',
    publication: PUBLICATION,
    replicationSlot: `${SLOT}_${database}`,
    nextMessagesName: NEXT_MESSAGES,
  } as const
  const { dropAndCreateTable, createPollingFunction, setupPollingIndexes, setupReplicationCore, setupReplicationSlot } =
    peer.DatabaseSetup
  return side === 'polling'
    ? [dropAndCreateTable(setup), createPollingFunction(setup), setupPollingIndexes(setup)]
    : [dropAndCreateTable(setup), setupReplicationCore(setup), setupReplicationSlot(setup)]
}

/**
 * `pg-transactional-outbox` at the best settings found: its protections against poison are off (each costs a transaction), commits are
 * asynchronous, it has forty connections, and the messages that it hands over one by one go to Kafka in batches.
 *
 * A listener that polls begins with each round and ends with it, so that its polls disturb nobody else's.
 */
export const startPeerRelay: StartRelay<PeerSpec> = async (spec, published): Promise<RunningRelay> => {
  const producer = await batchingProducer(spec)
  const handler: peer.GeneralMessageHandler = {
    handle: ({ segment, payload }) => producer.send({ key: segment ?? null, value: JSON.stringify(payload) }),
  }
  if (spec.side === 'replication') {
    const shutdown = listen(spec, handler, () => published(1))
    return {
      go: () => undefined, // the database tells it
      async close() {
        await shutdown()
        await producer.close()
      },
    }
  }
  let ending: Promise<void> = Promise.resolve()
  return {
    go(rows) {
      let left = rows
      const shutdown = listen(spec, handler, () => {
        published(1)
        if (--left === 0) ending = shutdown()
      })
    },
    async close() {
      await ending
      await producer.close()
    },
  }
}

function listen(spec: PeerSpec, handler: peer.GeneralMessageHandler, completed: () => void): () => Promise<void> {
  const database = new URL(spec.url).pathname.slice(1)
  const connection = { connectionString: spec.url, options: '-c synchronous_commit=off', max: CONNECTIONS }
  const settings = {
    dbSchema: 'public',
    dbTable: 'outbox',
    enableMaxAttemptsProtection: false,
    enablePoisonousMessageProtection: false,
    messageCleanupIntervalInMs: 0,
  }
  const config = { outboxOrInbox: 'outbox', dbListenerConfig: connection, dbHandlerConfig: connection } as const
  const logger = countingLogger(completed)
  if (spec.side === 'replication') {
    const [shutdown] = peer.initializeReplicationMessageListener(
      {
        ...config,
        settings: { ...settings, dbPublication: PUBLICATION, dbReplicationSlot: `${SLOT}_${database}` },
      },
      handler,
      logger,
      { concurrencyStrategy: peer.createReplicationSemaphoreConcurrencyController(MESSAGES_AT_ONCE) },
    )
    return shutdown
  }
  const [shutdown] = peer.initializePollingMessageListener(
    {
      ...config,
      settings: {
        ...settings,
        nextMessagesFunctionName: NEXT_MESSAGES,
        nextMessagesBatchSize: MESSAGES_AT_ONCE,
        nextMessagesLockInMs: 30_000,
        nextMessagesPollingIntervalInMs: 5,
      },
    },
    handler,
    logger,
    { batchSizeStrategy: wholeBatches },
  )
  return shutdown
}

/** Asks for the next batch when the one before is done: by itself it would ask again after each message, and sort all rows for it. */
async function wholeBatches(currentlyProcessed: number): Promise<number> {
  if (currentlyProcessed === 0) return MESSAGES_AT_ONCE
  await sleep(1)
  return 0
}

/** It tells nobody but its log when a message is marked. */
function countingLogger(completed: () => void): ReturnType<typeof peer.getDisabledLogger> {
  const failed = (...what: unknown[]): void => console.error(...what)
  return {
    ...peer.getDisabledLogger(),
    error: failed,
    fatal: failed,
    trace: (...what: unknown[]) => {
      if (String(what.at(-1)).startsWith('Finished processing')) completed()
    },
  }
}

interface BatchingProducer {
  send(message: kafkajs.Message): Promise<void>
  close(): Promise<void>
}

/** Sends what has gathered while the batch before was under way. */
async function batchingProducer({ brokers, topic }: Places): Promise<BatchingProducer> {
  const kafka = new kafkajs.Kafka({
    clientId: 'bench-peer',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const producer = kafka.producer({ idempotent: true, createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  let waiting: { message: kafkajs.Message; resolve: () => void; reject: (error: unknown) => void }[] = []
  let sending = false
  const pump = async (): Promise<void> => {
    sending = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await producer.send({ topic, acks: -1, messages: batch.map(({ message }) => message) })
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    sending = false
  }
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        waiting.push({ message, resolve, reject })
        if (!sending) setImmediate(() => void (sending || pump()))
      }),
    close: () => producer.disconnect(),
  }
}

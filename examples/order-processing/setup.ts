// Makes the tables and the topics, each with its dead letter topic. Can be run again: what exists is left as it is.
import { readFile } from 'node:fs/promises'
import { deadLetterTopicName, silentLogger, systemRuntime } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { postgresDedupeSql, postgresOutboxSql } from 'holdfast/postgres'
import { Client } from 'pg'
import { inventoryEvents, notificationEvents, orderEvents, paymentEvents } from './contracts/index.ts'
import { OPENING_STOCK } from './shared/catalogue.ts'
import { readConfiguration } from './shared/configuration.ts'
import { inboxTable } from './shared/database.ts'

const PARTITIONS = 6
/** The services whose effects are rows, and nothing else. */
const WITH_INBOX = ['order-api', 'inventory', 'points']

const { brokers, databaseUrl } = readConfiguration(process.env)

const database = new Client({ connectionString: databaseUrl })
await database.connect()
try {
  await database.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'))
  await database.query(postgresOutboxSql({ keepSent: true })) // what was sent is kept for a while: `shared/outbox.ts`
  for (const service of WITH_INBOX) await database.query(postgresDedupeSql({ table: inboxTable(service) }))
  for (const [sku, onHand] of Object.entries(OPENING_STOCK)) {
    await database.query('insert into stock (sku, on_hand) values ($1, $2) on conflict do nothing', [sku, onHand])
  }
} finally {
  await database.end()
}

const admin = kafkajsDriver({ clientId: 'setup', brokers }).createAdmin({
  runtime: systemRuntime,
  logger: silentLogger,
})
await admin.connect()
try {
  const topics = [orderEvents, paymentEvents, inventoryEvents, notificationEvents]
  await admin.createTopics(
    topics.flatMap(({ name }) => [
      { topic: name, partitions: PARTITIONS },
      // As many partitions as the source, so that a parked record keeps its number; kept for two weeks, longer than any holiday.
      {
        topic: deadLetterTopicName(name),
        partitions: PARTITIONS,
        settings: { 'cleanup.policy': 'delete', 'retention.ms': String(14 * 86_400_000) },
      },
    ]),
  )
} finally {
  await admin.close()
}

import { sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Knex } from 'knex'
import type { Kysely, Transaction } from 'kysely'
import type pg from 'pg'
import { createOutbox, defineTopic } from 'holdfast'
import type { Outbox, OutboxStore } from 'holdfast'
import { drizzleOutbox, knexOutbox, kyselyOutbox, postgresOutbox } from 'holdfast/postgres'
import { z } from 'zod'

interface Database {
  stock: { sku: string }
}
declare const pool: pg.Pool
declare const kysely: Kysely<Database>
declare const knex: Knex
declare const drizzle: NodePgDatabase
declare const client: pg.PoolClient

const orders = defineTopic({ name: 'orders', schema: z.object({ id: z.string() }), key: ({ id }) => id })
const ticks = defineTopic({ name: 'ticks', schema: z.number(), key: 'none' })
const read = defineTopic({ name: 'read', schema: z.number() })

// A store takes what its client calls a transaction.
postgresOutbox(pool) satisfies OutboxStore<pg.PoolClient>
kyselyOutbox(kysely) satisfies OutboxStore<Transaction<Database>>
knexOutbox(knex) satisfies OutboxStore<Knex.Transaction>
drizzleOutbox(drizzle, sql) satisfies OutboxStore<Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0]>

const outbox: Outbox<pg.PoolClient> = createOutbox({ store: postgresOutbox(pool), source: 'shop' })
void outbox.enqueue(client, orders, { id: 'o-1' })
void outbox.enqueueMany(client, [
  { topic: orders, value: { id: 'o-1' }, headers: { tenant: 'a' } },
  { topic: ticks, value: 7 },
])
void outbox.transaction(async (tx) => (await tx.query<{ n: number }>('select 1 as n')).rows[0]!.n.toFixed())

// @ts-expect-error -- a pool is no transaction
void outbox.enqueue(pool, orders, { id: 'o-1' })
// @ts-expect-error -- a value of another topic
void outbox.enqueue(client, orders, 7)
// @ts-expect-error -- a topic that is only read has no key
void outbox.enqueue(client, read, 7)
// @ts-expect-error -- each value is checked against its own topic
void outbox.enqueueMany(client, [{ topic: ticks, value: { id: 'o-1' } }])

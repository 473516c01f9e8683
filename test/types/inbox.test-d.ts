import { sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Knex } from 'knex'
import type { Kysely, Transaction } from 'kysely'
import type pg from 'pg'
import type { Consumer, Inbox, Topic } from 'holdfast'
import { drizzleInbox, knexInbox, kyselyInbox, postgresInbox } from 'holdfast/postgres'

interface Database {
  stock: { sku: string }
}
declare const consumer: Consumer
declare const orders: Topic<unknown, { id: string }>
declare const pool: pg.Pool
declare const kysely: Kysely<Database>
declare const knex: Knex
declare const drizzle: NodePgDatabase

// The handler gets what its inbox runs on, without a cast.
postgresInbox(pool) satisfies Inbox<pg.PoolClient>
kyselyInbox(kysely) satisfies Inbox<Transaction<Database>>
consumer.on(orders, async (_, { tx }) => void (await tx.query<{ n: number }>('select 1 as n')).rows[0]!.n.toFixed(), {
  inbox: postgresInbox(pool),
})
consumer.onBatch(orders, async (_, { tx }) => void (await tx.selectFrom('stock').select('sku').execute()), {
  inbox: kyselyInbox(kysely),
})
consumer.on(orders, async (_, { tx }) => void (await tx('stock').select('sku')), { inbox: knexInbox(knex) })
consumer.on(orders, async (_, { tx }) => void (await tx.select().from(sql`stock`)), {
  inbox: drizzleInbox(drizzle, sql),
})

// Without an inbox there is no transaction.
consumer.on(orders, (_, { tx }) => {
  tx satisfies undefined
})
consumer.on(
  orders,
  (_, { tx }) => {
    // @ts-expect-error -- a Kysely transaction runs no text
    void tx.query('select 1')
  },
  { inbox: kyselyInbox(kysely) },
)

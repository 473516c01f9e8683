import { sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Knex } from 'knex'
import type { Kysely, Transaction } from 'kysely'
import type pg from 'pg'
import type { ITXClientDenyList } from '@prisma/client/runtime/client'
import type { Consumer, Inbox, Topic } from 'holdfast'
import { drizzleInbox, knexInbox, kyselyInbox, postgresInbox, prismaInbox } from 'holdfast/postgres'

interface Database {
  stock: { sku: string }
}
declare const consumer: Consumer
declare const orders: Topic<unknown, { id: string }>
declare const pool: pg.Pool
declare const kysely: Kysely<Database>
declare const knex: Knex
declare const drizzle: NodePgDatabase

// As `prisma generate` writes it, with one model.
interface PrismaClient {
  $transaction<P extends Promise<unknown>[]>(
    arg: [...P],
    options?: { maxWait?: number; timeout?: number; isolationLevel?: IsolationLevel },
  ): Promise<unknown[]>
  $transaction<R>(
    fn: (prisma: Omit<PrismaClient, ITXClientDenyList>) => Promise<R>,
    options?: { maxWait?: number; timeout?: number; isolationLevel?: IsolationLevel },
  ): Promise<R>
  // oxlint-disable-next-line typescript/no-explicit-any -- as Prisma has it
  $queryRawUnsafe<T = unknown>(query: string, ...values: any[]): Promise<T>
  $disconnect(): Promise<void>
  readonly stock: { count(): Promise<number> }
}
type IsolationLevel = 'ReadUncommitted' | 'ReadCommitted' | 'RepeatableRead' | 'Serializable'
declare const prisma: PrismaClient

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
consumer.on(orders, async (_, { tx }) => void (await tx.stock.count()).toFixed(), { inbox: prismaInbox(prisma) })
consumer.on(
  orders,
  (_, { tx }) => {
    // @ts-expect-error -- a transaction of Prisma does not disconnect
    void tx.$disconnect()
  },
  { inbox: prismaInbox(prisma, { isolation: 'serializable', maxConnections: 34 }) },
)

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

export type { DedupeTable } from './dedupe-table.ts'
export { dedupeTableSql as postgresDedupeSql } from './dedupe-table.ts'
export type { LockSequence } from './lock-sequence.ts'
export { lockSequenceSql as postgresLockSql } from './lock-sequence.ts'
export type { PostgresPool } from './postgres-client.ts'
export type { PostgresDedupeStore, PostgresDedupeStoreOptions } from './postgres-dedupe-store.ts'
export { postgresDedupeStore } from './postgres-dedupe-store.ts'
export type { ClientOf, Isolation, PgClient, PgPool, PgResult } from './pg-transactions.ts'
export type { PostgresLockOptions } from './postgres-lock.ts'
export { postgresLock } from './postgres-lock.ts'
export type { InboxOptions, PostgresInboxOptions } from './postgres-inbox.ts'
export { postgresInbox } from './postgres-inbox.ts'
export type { PrismaDatabase, PrismaExecutor, PrismaTransactionOptions } from './prisma-inbox.ts'
export { prismaInbox } from './prisma-inbox.ts'
export type {
  DrizzleDatabase,
  DrizzleExecutor,
  DrizzleSql,
  KnexDatabase,
  KnexExecutor,
  KyselyDatabase,
  KyselyExecutor,
  KyselyTransactionBuilder,
  QueryBuilderInboxOptions,
} from './query-builders.ts'
export { drizzleInbox, knexInbox, kyselyInbox } from './query-builders.ts'
export type { Move, OnlyFrom, StateGuard, StateGuardOptions, Statements } from './state-guard.ts'
export { onlyFrom, postgresStateGuard } from './state-guard.ts'

// The front door of `holdfast/postgres`: all that keeps something in PostgreSQL.
export type { AuditConnection, InboxMarksOptions, OutboxRowsOptions } from './audit/postgres/index.ts'
export { inboxMarks, outboxRows } from './audit/postgres/index.ts'
export type {
  ClientOf,
  DrizzleDatabase,
  DrizzleExecutor,
  DrizzleSql,
  Isolation,
  KnexDatabase,
  KnexExecutor,
  KyselyDatabase,
  KyselyExecutor,
  KyselyTransactionBuilder,
  PgClient,
  PgPool,
  PgResult,
  PostgresPool,
  PrismaDatabase,
  PrismaExecutor,
  PrismaTransactionOptions,
} from './database/index.ts'
export type {
  DedupeTable,
  InboxOptions,
  LockSequence,
  Move,
  OnlyFrom,
  PostgresDedupeStore,
  PostgresDedupeStoreOptions,
  PostgresInboxOptions,
  PostgresLockOptions,
  QueryBuilderInboxOptions,
  StateGuard,
  StateGuardOptions,
  Statements,
} from './idempotency/postgres/index.ts'
export {
  drizzleInbox,
  knexInbox,
  kyselyInbox,
  onlyFrom,
  postgresDedupeSql,
  postgresDedupeStore,
  postgresInbox,
  postgresLock,
  postgresLockSql,
  postgresStateGuard,
  prismaInbox,
} from './idempotency/postgres/index.ts'
export type { OutboxNames, OutboxTable, OutboxTableSqlOptions, PostgresOutboxOptions } from './outbox/postgres/index.ts'
export {
  drizzleOutbox,
  knexOutbox,
  kyselyOutbox,
  postgresOutbox,
  postgresOutboxNames,
  postgresOutboxSql,
  prismaOutbox,
} from './outbox/postgres/index.ts'

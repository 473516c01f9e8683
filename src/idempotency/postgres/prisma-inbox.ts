import { MAX_TIMER_MS } from '../../clock/index.ts'
import type { Inbox } from '../inbox.ts'
import type { Isolation } from './pg-transactions.ts'
import type { QueryBuilderInboxOptions } from './query-builders.ts'
import { has, inboxOn } from './query-builders.ts'
import type { Query } from './transactions.ts'

/** The part of a [Prisma](https://www.prisma.io) client that is used here; `Tx` is its `Prisma.TransactionClient`. */
export interface PrismaDatabase<Tx extends PrismaExecutor> extends PrismaExecutor {
  $transaction<T>(work: (tx: Tx) => Promise<T>, options?: PrismaTransactionOptions): Promise<T>
}

/** How Prisma runs an interactive transaction. */
export interface PrismaTransactionOptions {
  /** How long it waits for a connection, in milliseconds. */
  readonly maxWait?: number
  /** How long it lets the transaction take, in milliseconds. */
  readonly timeout?: number
  readonly isolationLevel?: 'ReadCommitted' | 'RepeatableRead' | 'Serializable'
}

/** What runs statements. */
export interface PrismaExecutor {
  // oxlint-disable-next-line typescript/no-explicit-any -- as Prisma's own type has it
  $queryRawUnsafe<T = unknown>(query: string, ...values: any[]): PromiseLike<T>
}

const LEVELS: Readonly<Record<Isolation, NonNullable<PrismaTransactionOptions['isolationLevel']>>> = {
  'read committed': 'ReadCommitted',
  'repeatable read': 'RepeatableRead',
  serializable: 'Serializable',
}

/** How much longer than the handler Prisma lets a transaction take: the handler's own deadline says what becomes of its message. */
const LATER_MS = 5_000

/**
 * An {@link Inbox} on Prisma's interactive transactions, with PostgreSQL: `context.tx` is its `Prisma.TransactionClient`.
 *
 * Prisma ends a transaction after 5 s, or what its `transactionOptions` say; the inbox gives it the handler's time (`handlerTimeoutMs`) and 5 s
 * more, and as long to wait for a connection.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function prismaInbox<Tx extends PrismaExecutor>(
  prisma: PrismaDatabase<Tx>,
  options: QueryBuilderInboxOptions = {},
): Inbox<Tx> {
  const { isolation, maxConnections = null } = options
  const queryOf =
    (executor: PrismaExecutor): Query =>
    async (statement, values) =>
      executor.$queryRawUnsafe<readonly unknown[]>(statement, ...values)
  return inboxOn(options, has(prisma, ['$transaction', '$queryRawUnsafe']), 'a PrismaClient', {
    transact(work, { signal, idleTimeoutMs }) {
      const longestMs = Math.min(idleTimeoutMs + LATER_MS, MAX_TIMER_MS)
      return prisma.$transaction(
        async (tx) => {
          signal.throwIfAborted() // it may have waited long for its connection
          return work(tx, queryOf(tx))
        },
        { maxWait: longestMs, timeout: longestMs, ...(isolation && { isolationLevel: LEVELS[isolation] }) },
      )
    },
    query: queryOf(prisma),
    outOfTime: 'cancel',
    maxConnections,
  })
}

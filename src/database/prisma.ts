import { MAX_TIMER_MS } from '../clock/index.ts'
import type { Isolation } from './pg-transactions.ts'
import type { Query, Transactions } from './transactions.ts'

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

/** How much longer than the work Prisma lets a transaction take: whoever works has a deadline of its own, which says what follows. */
const LATER_MS = 5_000

/** {@link Transactions} of a Prisma client, with PostgreSQL. @param maxConnections - of its pool, where it is known */
export function prismaTransactions<Tx extends PrismaExecutor>(
  prisma: PrismaDatabase<Tx>,
  isolation?: Isolation,
  maxConnections: number | null = null,
): Transactions<Tx> {
  return {
    transact(work, { signal, idleTimeoutMs }) {
      const longestMs = Math.min(idleTimeoutMs + LATER_MS, MAX_TIMER_MS)
      return prisma.$transaction(
        async (tx) => {
          signal.throwIfAborted() // it may have waited long for its connection
          return work(tx, prismaQuery(tx))
        },
        { maxWait: longestMs, timeout: longestMs, ...(isolation && { isolationLevel: LEVELS[isolation] }) },
      )
    },
    query: prismaQuery(prisma),
    outOfTime: 'cancel',
    maxConnections,
  }
}

/** Runs statements on a Prisma client, or on a transaction of one. */
export function prismaQuery(executor: PrismaExecutor): Query {
  return async (statement, values) => executor.$queryRawUnsafe<readonly unknown[]>(statement, ...values)
}

import type { Runtime } from '../../clock/index.ts'
import { systemRuntime } from '../../clock/index.ts'
import type { PgClient, PgPool } from '../../database/index.ts'
import { advisoryKey, isMissing, sqlStateOf, takeClient } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { unknownOptions } from '../../options/index.ts'
import { createLock } from '../create-lock.ts'
import type { DistributedLock } from '../distributed-lock.ts'
import type { TakenLock } from '../held-lock.ts'
import { storeRefusals } from '../store-refusals.ts'
import type { LockSequence } from './lock-sequence.ts'
import { qualifiedSequence, sequenceIsMissing, sequenceProblems } from './lock-sequence.ts'
import { lockSql } from './lock-sql.ts'

/** Where Postgres locks take their tokens from. */
export interface PostgresLockOptions extends LockSequence {
  /**
   * Takes a connection through a pooler that gives it a session of its own for as long as it lasts (PgBouncer's `pool_mode = session`). Through
   * one that does not, two would have one lock.
   *
   * @defaultValue `false`: a connection that does not lead to the server itself is refused
   */
  readonly allowPooler?: boolean
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Pick<Runtime, 'clock' | 'random'>
}

const LOCK = 'the Postgres lock'
/** The first with `idle_session_timeout`, without which the lock of a process that stands still would never end. */
const LEAST_VERSION = 14

/**
 * A {@link DistributedLock} on advisory locks of PostgreSQL 14 or later. A lock is held by a session: it takes one connection of the pool from
 * {@link DistributedLock.acquire} until it is given back or lost, and no transaction.
 *
 * **A lock is gone with its connection**, and with a server that is started anew or fails over; its holder hears of it at once where the
 * connection breaks, and at three quarters of the lease where it only falls silent. The server ends the session of a holder from which it has
 * heard nothing for the length of the lease. After a failover to a replica that had not got everything the sequence may give tokens again that
 * it had given: `synchronous_commit` and a synchronous replica prevent it.
 *
 * @param pool - a `Pool` of pg, with a connection for each lock that is held at a time and one to spare; its owner closes it.
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function postgresLock(pool: PgPool, options: PostgresLockOptions = {}): DistributedLock {
  const { allowPooler = false, runtime = systemRuntime } = options
  const problems = [
    ...(typeof Reflect.get(Object(pool), 'connect') === 'function'
      ? []
      : [{ path: 'pool', message: 'a Pool of pg is needed' }]),
    ...sequenceProblems(options),
    ...unknownOptions(options, ['schema', 'sequence', 'allowPooler', 'runtime']),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions(LOCK, problems)
  const sequence = qualifiedSequence(options)

  const expectedPid = (client: PgClient): number | null => (allowPooler ? null : toldPid(client))

  return createLock(
    {
      name: LOCK,
      async take(name, leaseMs) {
        const key = keyOf(sequence, name)
        const session = await openSession(pool)
        try {
          const sentAt = runtime.clock.monotonic()
          const expected = expectedPid(session.client)
          const [row] = (await session.ask(lockSql.take, [key, sequence, leaseMs, expected])) as readonly Taken[]
          if ((expected ?? row!.pid) !== row!.pid) throw storeRefusals.unfitOptions(LOCK, [POOLED])
          if (row!.token === null) {
            session.close(false)
            return null
          }
          return takenBy(session, key, { token: BigInt(row!.token), sentAt, before: row!.before })
        } catch (error) {
          session.close(true) // it may hold the lock
          throw refusalOf(error, options)
        }
      },
      async check() {
        const session = await openSession(pool)
        try {
          const [row] = (await session.ask(lockSql.check, [sequence])) as readonly Checked[]
          const { version, isThere, isFit, pid } = row!
          const unfit: Problem[] = [
            ...(version < LEAST_VERSION * 10_000 ? [TOO_OLD] : []),
            ...(isThere ? [] : [{ path: 'sequence', message: sequenceIsMissing(options) }]),
            ...(isFit === false
              ? [{ path: 'sequence', message: `${sequence} must have cache 1 and no cycle, or tokens do not grow` }]
              : []),
            ...((expectedPid(session.client) ?? pid) === pid ? [] : [POOLED]),
          ]
          if (unfit.length > 0) throw storeRefusals.unfitOptions(LOCK, unfit)
          session.close(false)
        } finally {
          session.close(true)
        }
      },
    },
    runtime,
  )
}

const TOO_OLD: Problem = { path: 'pool', message: `PostgreSQL ${LEAST_VERSION} or later is needed` }
const POOLED: Problem = {
  path: 'pool',
  message:
    'a pooler stands before the server: one that gives a session to each transaction, as PgBouncer does with pool_mode = transaction, loses the lock at once. Connect to the server itself, or allow a pooler that keeps sessions by allowPooler: true',
}

interface Taken {
  readonly pid: number
  readonly before: string
  readonly token: string | null
}

interface Checked {
  readonly version: number
  readonly pid: number
  readonly isThere: boolean
  readonly isFit: boolean | null
}

/** A name in the space of all advisory locks, apart from those of other sequences and of the user's own, as far as 64 bits go. */
function keyOf(sequence: string, name: string): string {
  return advisoryKey(`holdfast lock ${sequence} ${JSON.stringify(name)}`)
}

/**
 * What the server called the process of this session when it began, if the client tells: it is still that, unless a pooler stands in between,
 * which has told a number of its own.
 */
function toldPid(client: PgClient): number | null {
  const told: unknown = Reflect.get(client, 'processID')
  return typeof told === 'number' ? told : null
}

function refusalOf(error: unknown, where: LockSequence): unknown {
  const state = sqlStateOf(error)
  if (state === '42704') return storeRefusals.unfitOptions(LOCK, [TOO_OLD]) // undefined_object: it knows no such setting
  if (isMissing(state)) return storeRefusals.unavailable(`${LOCK} (${sequenceIsMissing(where)})`, error)
  return error
}

/** A connection of the pool, for one lock. */
interface Session {
  readonly client: PgClient
  ask(statement: string, values: readonly unknown[]): Promise<readonly unknown[]>
  /** Gives it back to the pool, or destroys it. Only the first call counts. */
  close(destroy: boolean): void
  /** Calls when it breaks, unless it is closed. */
  onBroken(listener: (cause: unknown) => void): void
}

async function openSession(pool: PgPool): Promise<Session> {
  let broken: ((cause: unknown) => void) | null = null
  let cause: unknown = null
  let closed = false
  const onError = (error: unknown): void => {
    cause = error
    broken?.(error)
  }
  const client = await takeClient(pool, onError)
  return {
    client,
    ask: async (statement, values) => (await client.query(statement, [...values])).rows,
    close(destroy) {
      if (closed) return
      closed = true
      broken = null
      client.release(destroy)
      if (destroy) return // what still comes of it is heard, and nothing follows from it
      client.removeListener('error', onError)
    },
    onBroken(listener) {
      broken = listener
      if (cause !== null && !closed) listener(cause)
    },
  }
}

function takenBy(
  session: Session,
  key: string,
  { token, sentAt, before }: { readonly token: bigint; readonly sentAt: number; readonly before: string },
): TakenLock {
  return {
    token,
    sentAt,
    renew: async () => (await session.ask(lockSql.confirm, [key])).length > 0,
    async giveBack() {
      const [row] = (await session.ask(lockSql.giveBack, [key, before])) as readonly { readonly held: boolean }[]
      session.close(row?.held !== true)
    },
    drop: () => session.close(true),
    onLost: session.onBroken,
  }
}

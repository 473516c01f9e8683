import type { Runtime } from '../../clock/index.ts'
import { systemRuntime } from '../../clock/index.ts'
import type { PostgresPool } from '../../database/index.ts'
import { createPurge, isPostgresPool } from '../../database/index.ts'
import { countProblems, unknownOptions } from '../../options/index.ts'
import type { DedupeOutcome, DedupeStore } from '../dedupe-store.ts'
import { idHash } from '../id-hash.ts'
import { refuseUnfitLease, storeRefusals } from '../store-refusals.ts'
import { dedupeSql } from './dedupe-sql.ts'
import type { DedupeTable } from './dedupe-table.ts'
import { qualified, tableProblems } from './dedupe-table.ts'
import { tableAccess } from './table-access.ts'

/** Where a Postgres store keeps what it knows, and for how long. */
export interface PostgresDedupeStoreOptions extends DedupeTable {
  /**
   * How long a done message is remembered, in milliseconds: longer than duplicates can come, so longer than all retries, the greatest lag
   * and the window of replays together. An integer of 1 or more. A message takes about 300 bytes of the database, its index included.
   *
   * @defaultValue `86_400_000`, a day
   */
  readonly ttlMs?: number
  /**
   * How often old rows are deleted, in milliseconds: by one process at a time, 1,000 in a transaction, beside everything else. An integer of
   * 1,000 or more; `false` leaves it to a job of yours that calls {@link PostgresDedupeStore.purge}.
   *
   * @defaultValue `60_000`
   */
  readonly purgeEveryMs?: number | false
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Pick<Runtime, 'clock' | 'ids'>
}

/** A {@link DedupeStore} that can be told to forget. */
export interface PostgresDedupeStore extends DedupeStore {
  /**
   * Deletes what is past its time, 1,000 rows in a transaction, until nothing is left or another process is at it; says how many went.
   *
   * @throws HOLDFAST_STORE_UNAVAILABLE
   */
  purge(): Promise<number>
  close(): Promise<void>
}

const STORE = 'the Postgres dedupe store'
/** Each turn another caller came between question and look; many in a row do not happen. */
const MOST_LOOKS = 10

/**
 * A {@link DedupeStore} in a table of PostgreSQL 12 or later, for all processes of a service. Each call is a statement, and so a transaction, of
 * its own: it never waits for a transaction of a handler.
 *
 * **The effect and its mark are two transactions**: a crash between them repeats the effect. Where the effect is in the same database, the
 * inbox puts both in one.
 *
 * Nothing that was answered is lost with the server when `synchronous_commit` is on, its default, and with a failover when it waits for a
 * replica. Leases and marks end by the server's clock.
 *
 * @param pool - a `Pool` of pg or what has its `query`; its owner closes it. Give it connections that no handler takes, or a store waits
 * for handlers that wait for the store.
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function postgresDedupeStore(pool: PostgresPool, options: PostgresDedupeStoreOptions = {}): PostgresDedupeStore {
  const { ttlMs = 86_400_000, purgeEveryMs = 60_000, runtime = systemRuntime } = options
  const problems = [
    ...(isPostgresPool(pool) ? [] : [{ path: 'pool', message: 'a pool with a query method is needed' }]),
    ...tableProblems(options),
    ...countProblems({ ttlMs, ...(purgeEveryMs !== false && { purgeEveryMs }) }),
    ...unknownOptions(options, ['schema', 'table', 'ttlMs', 'purgeEveryMs', 'runtime']),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions(STORE, problems)
  const sql = dedupeSql(options)

  const { ask, check } = tableAccess(STORE, options, async (statement, values) => {
    const { rows, rowCount } = await pool.query(statement, [...values])
    return rows.length > 0 ? rows : Array.from({ length: rowCount ?? 0 }) // an update has rows that it does not show
  })
  const purge = createPurge({ ask, statement: sql.purge, table: qualified(options), everyMs: purgeEveryMs, runtime })

  return {
    ttlMs,
    async begin(id, { leaseMs, replay = false }) {
      refuseUnfitLease(leaseMs)
      const place = idHash(id)
      const lease = runtime.ids()
      for (let looks = 0; looks < MOST_LOOKS; looks++) {
        const [begun] = await ask(sql.begin, [place, lease, leaseMs, replay, ttlMs])
        if (begun !== undefined) {
          const token = `${lease}:${place.toString('hex')}`
          return { kind: 'started', token, attempt: (begun as { attempt: number }).attempt }
        }
        const [now] = (await ask(sql.look, [place])) as readonly Standing[]
        if (now?.outcome && !replay) return { kind: 'done', outcome: now.outcome }
        if (now !== undefined && now.leased && now.left_ms > 0)
          return { kind: 'busy', untilMs: runtime.clock.now() + now.left_ms }
      }
      throw storeRefusals.unavailable(STORE, new Error('others began and gave back at every look'))
    },
    async complete(token, outcome) {
      const by = bearer(token)
      if ((await ask(sql.complete, [...by, outcome, ttlMs])).length > 0) return
      if ((await ask(sql.marked, by)).length === 0) throw storeRefusals.leaseLost('complete')
    },
    async abandon(token, failedAttempts) {
      await ask(sql.abandon, [...bearer(token), failedAttempts ?? null])
    },
    async renew(token, leaseMs) {
      refuseUnfitLease(leaseMs)
      if ((await ask(sql.renew, [...bearer(token), leaseMs])).length === 0) throw storeRefusals.leaseLost('renew')
    },
    async check() {
      await check()
      purge.start()
    },
    purge: purge.run,
    close: purge.close,
  }
}

interface Standing {
  readonly outcome: DedupeOutcome | null
  readonly leased: boolean
  readonly left_ms: number
}

/** A token names the lease and its row. */
function bearer(token: string): [place: Buffer, lease: string] {
  const at = token.lastIndexOf(':')
  return [Buffer.from(token.slice(at + 1), 'hex'), token.slice(0, at)]
}

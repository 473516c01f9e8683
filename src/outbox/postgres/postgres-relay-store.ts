import type { Runtime } from '../../clock/index.ts'
import type { PgPool, Query } from '../../database/index.ts'
import { createPurge } from '../../database/index.ts'
import type { RelayStore, ScanRange } from '../relay-store.ts'
import { checkOutbox } from './check-outbox.ts'
import { listenForCommits } from './commit-listener.ts'
import { createDurableIds } from './durable-ids.ts'
import { HeaderNames } from './header-bytes.ts'
import { outboxAccess } from './outbox-access.ts'
import type { OutboxTable } from './outbox-table.ts'
import { outboxNames } from './outbox-table.ts'
import { bytesOf, unpackRow } from './packed-rows.ts'
import { MAX_ROW_ID, relaySql } from './relay-sql.ts'

/** What a {@link PostgresRelayStore} is made of. */
export interface PostgresRelayStoreOptions {
  readonly where: OutboxTable
  /** Runs a statement by itself, on any connection. */
  readonly query: Query
  /** How long rows that were sent are kept, in milliseconds; null deletes them at once. */
  readonly keepSentMs: number | null
  /** How often rows that were kept for so long are deleted, by relays at work, in milliseconds. */
  readonly purgeEveryMs: number | false
  /** Where a connection for `LISTEN` is taken from; null where the outbox does not tell, or the client cannot hear. */
  readonly listenOn: PgPool | null
  readonly runtime: Runtime
}

/** A {@link RelayStore} in tables of PostgreSQL. */
export interface PostgresRelayStore extends RelayStore {
  /** @throws HOLDFAST_CONFIG_INVALID, HOLDFAST_STORE_UNAVAILABLE */
  check(): Promise<void>
  /**
   * Deletes rows that were kept for long enough, 1,000 in a transaction, until none is left or another process is at it; says how many went.
   *
   * @throws HOLDFAST_STORE_UNAVAILABLE
   */
  purge(): Promise<number>
}

/** Makes a {@link PostgresRelayStore}. All that it judges by time it judges by the server's clock. */
export function createPostgresRelayStore(options: PostgresRelayStoreOptions): PostgresRelayStore {
  const { where, query, keepSentMs, purgeEveryMs, listenOn, runtime } = options
  const names = outboxNames(where)
  const sql = relaySql(names, keepSentMs !== null)
  const { ask } = outboxAccess(where, query)
  const purge = createPurge({
    ask: (statement, values) => ask(statement, [...values, keepSentMs]),
    statement: sql.purge,
    table: names.sent,
    everyMs: false,
    runtime,
  })

  // A relay at work is what purges: it has no timer that would outlive it. What could not be deleted now is next time.
  let purgeAt = -Infinity
  let purging = false
  const purgeInTime = (): void => {
    const now = runtime.clock.monotonic()
    if (keepSentMs === null || purgeEveryMs === false || purging || now < purgeAt) return
    purging = true
    purgeAt = now + purgeEveryMs
    void purge
      .run()
      .catch(() => {})
      .finally(() => (purging = false))
  }

  const headerNames = new HeaderNames()
  const durableIds = createDurableIds()
  /** The last row id at the last look, if nobody wrote then. */
  let quietAt: bigint | null = null

  return {
    async lease(worker, leaseMs) {
      const rows = (await ask(sql.lease, [worker, leaseMs])) as readonly LeaseRow[]
      purgeInTime()
      const leases = rows.flatMap(({ bucket, epoch, generation }) =>
        bucket === null ? [] : [{ bucket, epoch: BigInt(epoch!), generation: BigInt(generation!) }],
      )
      return { workers: rows[0]?.workers ?? 1, leases: leases.toSorted((a, b) => a.bucket - b.bucket) }
    },
    async release(leases) {
      if (leases.length === 0) return
      await ask(sql.release, [list(leases.map(({ bucket }) => bucket)), list(leases.map(({ epoch }) => epoch))])
    },
    async leave(worker) {
      await ask(sql.leave, [worker])
    },
    async fetch(ranges, { maxRows, maxBytes }) {
      if (ranges.length === 0) return []
      const values = [list(ranges.map(({ bucket }) => bucket)), list(ranges.map(after)), list(ranges.map(upTo))]
      const rows = (await ask(sql.fetch, [...values, maxRows, maxBytes])) as readonly { readonly packed: unknown }[]
      return rows.map(({ packed }) => unpackRow(packed, headerNames))
    },
    async writers() {
      // Two statements: had one read both, a writer could have begun after the locks were read and drawn its id before the sequence was.
      const [last] = (await ask(sql.lastRowId, [])) as readonly LastRow[]
      const lastRowId = BigInt(last!.id)
      const durableRowId = durableIds.seen(lastRowId, BigInt(last!.logged), BigInt(last!.flushed))
      // Who has come since then has not drawn an id. So a relay at rest asks one question.
      if (lastRowId === quietAt) return { lastRowId, durableRowId, writers: [] }
      await runtime.failpoint('outbox:between-last-id-and-writers')
      const rows = (await ask(sql.writers, [])) as readonly { readonly writer: string }[]
      const writers = rows.map(({ writer }) => writer)
      quietAt = writers.length === 0 ? lastRowId : null
      const prepared = writers.filter(isPrepared)
      return { lastRowId, durableRowId, writers, ...(prepared.length > 0 && { prepared }) }
    },
    async sent(rows, fence) {
      if (rows.length === 0) return
      // In one order whoever marks, so that two who mark the same rows do not wait for each other.
      const ordered = rows.toSorted((a, b) => a.bucket - b.bucket || (a.rowId < b.rowId ? -1 : 1))
      await ask(fence === undefined ? sql.sent : sql.sentFenced, [
        list(ordered.map(({ bucket }) => bucket)),
        list(ordered.map(({ rowId }) => rowId)),
        ...(keepSentMs === null
          ? []
          : [list(ordered.map(({ partition }) => partition)), list(ordered.map(({ offset }) => offset))]),
        ...(fence === undefined
          ? []
          : [fence.worker, list([...fence.epochs.keys()]), list([...fence.epochs.values()])]),
      ])
    },
    async setAside({ bucket, epoch, generation }, { parked, behind }) {
      const foreign = [...parked, ...behind].filter((row) => row.bucket !== bucket)
      if (foreign.length > 0) throw new RangeError('a row of another bucket cannot be set aside under this lease')
      const ids = [...parked, ...behind].map(({ rowId }) => rowId)
      const reasons = [...parked.map(({ reason }) => reason), ...behind.map(() => null)]
      const fence = [bucket, String(epoch), String(generation)]
      const codes = JSON.stringify(reasons.map((reason) => reason?.code ?? null))
      const messages = JSON.stringify(reasons.map((reason) => reason?.message ?? null))
      return (await ask(sql.setAside, [...fence, list(ids), codes, messages])).length > 0
    },
    async parkedKeys(buckets) {
      if (buckets.length === 0) return []
      const rows = (await ask(sql.parkedKeys, [list(buckets)])) as readonly ParkedKeyRow[]
      return rows.map(({ bucket, topic, key, id }) => ({ bucket, topic, key: bytesOf(key), rowId: BigInt(id) }))
    },
    async statistics(countUpTo) {
      const [row] = (await ask(sql.statistics, [countUpTo])) as readonly StatisticsRow[]
      const { waiting, age, parked, behind } = row!
      const more = waiting > countUpTo
      const oldestAgeMs = age === null ? null : Math.max(0, age)
      return { waiting: more ? countUpTo : waiting, more, oldestAgeMs, parked, behind }
    },
    ...(listenOn !== null && {
      listen: (onCommit: () => void) => listenForCommits({ pool: listenOn, channel: names.channel, onCommit, runtime }),
    }),
    check: () => checkOutbox({ where, ask, keepSent: keepSentMs !== null }),
    purge: () => (keepSentMs === null ? Promise.resolve(0) : purge.run()),
  }
}

/** What `pg_locks` calls a transaction that was prepared for a two-phase commit, once it has outlived the server's process, or on old servers. */
function isPrepared(writer: string): boolean {
  return writer.startsWith('-1/')
}

interface LastRow {
  readonly id: string
  readonly logged: string
  readonly flushed: string
}

interface LeaseRow {
  readonly workers: number
  readonly bucket: number | null
  readonly epoch: string | null
  readonly generation: string | null
}

interface ParkedKeyRow {
  readonly bucket: number
  readonly topic: string
  readonly key: unknown
  readonly id: string
}

interface StatisticsRow {
  readonly waiting: number
  readonly age: number | null
  readonly parked: number
  readonly behind: number
}

/** An array literal: numbers alone, so nothing is quoted. */
function list(numbers: ReadonlyArray<number | bigint>): string {
  return `{${numbers.join(',')}}`
}

function after(range: ScanRange): bigint {
  return range.after
}

function upTo(range: ScanRange): bigint {
  return range.upTo ?? MAX_ROW_ID
}

import type { Runtime } from '../../clock/index.ts'
import { systemRuntime } from '../../clock/index.ts'
import type { OutboxMessage, OutboxStore, ParkReason, RelayStore, WaitingRow } from '../../outbox/index.ts'
import { createAdvisoryLocks } from './advisory-locks.ts'
import { bytesOf, createAsideRows } from './aside-rows.ts'
import type { InMemoryBucket } from './bucket-leases.ts'
import { createBucketLeases } from './bucket-leases.ts'
import { databaseError } from './database-error.ts'
import type { InMemoryOutboxCall, InMemoryOutboxFaults } from './outbox-call.ts'
import { throughFaults } from './outbox-call.ts'
import { createRowIds } from './row-ids.ts'
import type { OutboxRow } from './row-versions.ts'
import { createRowVersions } from './row-versions.ts'
import type { InMemoryTransaction, Session } from './transactions.ts'
import { createTransactions } from './transactions.ts'

/** How an in-memory outbox is made. */
export interface InMemoryOutboxOptions {
  /** The database's own clock. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
  /** What happens to calls of the first client. @defaultValue nothing */
  readonly faults?: InMemoryOutboxFaults
  /** Tells relays with `listen` of commits. @defaultValue `false` */
  readonly notify?: boolean
  /**
   * Takes out what keeps the order of a key, so that a test can show that it would notice. `check` does not notice.
   *
   * @defaultValue nothing is taken out
   */
  readonly naive?: {
    /** `false`: keys are not locked at enqueue. */
    readonly locks?: false
    /** How many row ids a connection draws at once. */
    readonly sequenceCache?: number
  }
}

/** A row that is committed, and not sent. */
export interface InMemoryOutboxRow extends OutboxMessage {
  readonly rowId: bigint
  readonly bucket: number
  readonly enqueuedAtMs: number
  /** `behind`: waits behind a parked row of its key. */
  readonly state: 'waiting' | 'parked' | 'behind'
  /** Why it was parked; null unless it was. */
  readonly reason: ParkReason | null
}

/** An outbox as one process has it: calls, connections and transactions of its own, on a database that others use too. */
export interface InMemoryOutboxClient extends OutboxStore<InMemoryTransaction> {
  /** Begins a transaction that the test ends itself; {@link OutboxStore.transact} is for all else. */
  begin(): Promise<InMemoryTransaction>
  /** Ends its connections, as the death of its process does: open transactions are rolled back, and what it asks from now on is refused. */
  disconnect(): void
}

/** An outbox in memory, for tests; and what a test can look at and break. */
export interface InMemoryOutbox extends InMemoryOutboxClient {
  /** Another process on the same database. */
  client(faults?: InMemoryOutboxFaults): InMemoryOutboxClient
  /** What is committed and not sent, by row id: what waits, and what is set aside. */
  rows(): readonly InMemoryOutboxRow[]
  /** Tells of the rows of each commit, by row id, in the moment in which others see them. @returns what ends it. */
  onCommitted(listener: (rows: readonly InMemoryOutboxRow[]) => void): () => void
  /** The buckets, and who holds them. */
  buckets(): readonly InMemoryBucket[]
  /** A long transaction elsewhere holds a snapshot: rows that are deleted meanwhile lie there, dead, and scans have to pass them. */
  holdSnapshot(): HeldSnapshot
  /** Makes the database's clock jump, as a time server does. */
  jumpClock(byMs: number): void
  /** Transactions that wait for a lock now. */
  readonly waitingForLocks: number
  /** How many versions of rows the scans of `fetch` have passed so far: those that came, dead ones, and uncommitted ones. */
  readonly scanned: number
  /** Dead rows that lie there. */
  readonly deadRows: number
}

/** See {@link InMemoryOutbox.holdSnapshot}. */
export interface HeldSnapshot {
  end(): void
}

/**
 * Makes an outbox in memory. It models what PostgreSQL lets others see: row ids are drawn at the insert and never given back, transactions commit
 * later, in another order or not at all, keys are locked to a transaction's end, and the dead stay as long as a snapshot needs them. Nothing of it
 * outlives the process.
 */
export function inMemoryOutbox(options: InMemoryOutboxOptions = {}): InMemoryOutbox {
  const { runtime = systemRuntime, notify = false, naive = {} } = options
  let clockAheadMs = 0
  const now = (): number => runtime.clock.now() + clockAheadMs
  const ids = createRowIds(naive.sequenceCache ?? 1)
  const locks = createAdvisoryLocks()
  const rows = createRowVersions()
  const leases = createBucketLeases(now)
  const aside = createAsideRows(rows, leases, now)
  const transactions = createTransactions({ ids, locks, rows, now, locksKeys: naive.locks !== false })

  const client = (faults: InMemoryOutboxFaults): InMemoryOutboxClient => {
    const open = new Set<InMemoryTransaction>()
    const idle: Session[] = [] // connections, in a pool
    let gone = false

    const ask = <T>(call: InMemoryOutboxCall, effect: () => T | Promise<T>): Promise<T> =>
      throughFaults(faults, call, () => {
        if (gone) throw databaseError('57P01', 'the connection was ended')
        return effect()
      })
    const begin = (): Promise<InMemoryTransaction> =>
      ask('begin', () => {
        const session = idle.pop() ?? {}
        const transaction = transactions.begin(session, faults, () => {
          open.delete(transaction)
          idle.push(session)
        })
        open.add(transaction)
        return transaction
      })

    const relay: RelayStore = {
      lease: (worker, leaseMs) => ask('lease', () => leases.lease(worker, leaseMs)),
      release: (given) => ask('release', () => leases.release(given)),
      leave: (worker) => ask('leave', () => leases.leave(worker)),
      fetch: (ranges, { maxRows, maxBytes }) =>
        ask('fetch', () => {
          const found: WaitingRow[] = []
          let bytes = 0
          for (const { bucket, after, upTo } of ranges) {
            if (found.length >= maxRows) break
            for (const row of rows.scan(bucket, after, upTo)) {
              bytes += bytesOf(row)
              if (found.length > 0 && bytes > maxBytes) return found
              found.push({ ...row.message, bucket, rowId: row.rowId })
              if (found.length >= maxRows) break
            }
          }
          return found
        }),
      writers: () =>
        ask('writers', async () => {
          const lastRowId = ids.last
          await faults.within?.('writers')
          return { lastRowId, writers: transactions.writers() }
        }),
      sent: (sent, fence) =>
        ask('sent', () => {
          for (const place of sent) {
            if (fence !== undefined && !leases.isOwn(place.bucket, fence.epochs.get(place.bucket), fence.worker))
              continue
            const row = rows.waiting(place)
            if (row !== undefined) rows.remove(row)
          }
        }),
      setAside: (lease, given) => ask('setAside', () => aside.setAside(lease, given)),
      parkedKeys: (buckets) => ask('parkedKeys', () => aside.parkedKeys(buckets)),
      statistics: (countUpTo) =>
        ask('statistics', () => {
          const all = rows.all()
          const waiting = all.filter((row) => row.aside === null)
          const oldestAtMs = waiting.reduce((oldest, row) => Math.min(oldest, row.enqueuedAtMs), Infinity)
          return {
            waiting: Math.min(waiting.length, countUpTo),
            more: waiting.length > countUpTo,
            oldestAgeMs: waiting.length === 0 ? null : Math.max(0, now() - oldestAtMs),
            parked: all.filter((row) => row.aside?.kind === 'parked').length,
            behind: all.filter((row) => row.aside?.kind === 'behind').length,
          }
        }),
      ...(notify && {
        async listen(onCommit: () => void) {
          const own = (): void => {
            if (!gone) onCommit()
          }
          transactions.onCommit.add(own)
          return { close: async () => void transactions.onCommit.delete(own) }
        },
      }),
    }

    return {
      relay,
      begin,
      async transact(work) {
        const transaction = await begin()
        try {
          const answer = await work(transaction)
          await transaction.commit()
          return answer
        } catch (error) {
          await transaction.rollback().catch(() => transactions.breakOff(transaction))
          throw error
        }
      },
      insert: (transaction, messages) => transactions.insert(transaction, messages),
      operations: {
        list: ({ topic, limit }) => ask('list', () => aside.list(topic, limit)),
        retry: (selection) => ask('retry', () => aside.release(selection, false)),
        discard: (selection) => ask('discard', () => aside.release(selection, true)),
      },
      check: () => ask('check', () => {}),
      disconnect() {
        gone = true
        for (const transaction of open) transactions.breakOff(transaction)
      },
    }
  }

  return {
    ...client(options.faults ?? {}),
    client: (faults = {}) => client(faults),
    rows: () => rows.all().map(rowOf),
    onCommitted(listener) {
      const own = (committed: readonly OutboxRow[]): void => listener(committed.map(rowOf))
      transactions.onCommit.add(own)
      return () => void transactions.onCommit.delete(own)
    },
    buckets: () => leases.all(),
    holdSnapshot() {
      const holder = rows.hold()
      return { end: () => rows.letGo(holder) }
    },
    jumpClock: (byMs) => void (clockAheadMs += byMs),
    get waitingForLocks() {
      return locks.waiting
    },
    get scanned() {
      return rows.scanned
    },
    get deadRows() {
      return rows.dead
    },
  }
}

function rowOf({ message, rowId, bucket, enqueuedAtMs, aside }: OutboxRow): InMemoryOutboxRow {
  return {
    ...message,
    rowId,
    bucket,
    enqueuedAtMs,
    state: aside?.kind ?? 'waiting',
    reason: aside?.kind === 'parked' ? aside.reason : null,
  }
}

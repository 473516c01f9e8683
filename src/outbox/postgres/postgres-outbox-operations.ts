import type { Runtime } from '../../clock/index.ts'
import type { Query, Transactions } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { OperationResult, OutboxOperations, ParkedSelection } from '../outbox-operations.ts'
import { operationsSql } from './operations-sql.ts'
import { outboxAccess } from './outbox-access.ts'
import type { OutboxTable } from './outbox-table.ts'
import { outboxNames } from './outbox-table.ts'
import { bytesOf } from './packed-rows.ts'

/** What {@link createPostgresOutboxOperations} works with. */
export interface PostgresOutboxOperationsOptions<Transaction> {
  readonly where: OutboxTable
  readonly transactions: Transactions<Transaction>
  /** Discarded rows are kept where rows that were sent are kept. */
  readonly keepSent: boolean
  readonly runtime: Pick<Runtime, 'failpoint'>
}

/** Many rows may wait behind a parked one: for clients that end long transactions themselves. */
const LONGEST_MS = 600_000
const NO_TOPIC = null

/**
 * Makes {@link OutboxOperations} of PostgreSQL.
 *
 * Each call that changes something is one transaction. It first takes the lock of its buckets, under which relays set rows aside, then moves rows,
 * then raises the generations. So a relay's call either was there before, and what it has set aside is seen, or comes after with a generation
 * that is no longer the bucket's. A relay that renews its lease waits for the last step alone.
 */
export function createPostgresOutboxOperations<Transaction>(
  options: PostgresOutboxOperationsOptions<Transaction>,
): OutboxOperations {
  const { where, transactions, keepSent, runtime } = options
  const names = outboxNames(where)
  const sqlOf = (kind: ParkedSelection['kind']): ReturnType<typeof operationsSql> =>
    operationsSql(names, keepSent, kind)
  const { ask, unavailable } = outboxAccess(where, transactions.query)

  const change = async (what: 'retry' | 'discard', selection: ParkedSelection): Promise<OperationResult> => {
    refuseUnfit(selectionProblems(selection))
    const sql = sqlOf(selection.kind)
    const selected = valueOf(selection)
    const work = async (_transaction: Transaction, query: Query): Promise<OperationResult> => {
      await query(sql.isolation, [])
      const found = (await query(sql.buckets, [selected])) as readonly { readonly bucket: number }[]
      if (found.length === 0) return { parked: 0, released: 0 }
      const buckets = `{${found.map(({ bucket }) => bucket).join(',')}}`
      await query(sql.lock, [buckets])
      await runtime.failpoint('outbox:operation-locked')
      const [result] = (await query(sql[what], [selected, buckets])) as readonly OperationResult[]
      await runtime.failpoint('outbox:operation-moved')
      await query(sql.generations, [buckets])
      return { parked: result!.parked, released: result!.released }
    }
    try {
      return await transactions.transact(work, { signal: new AbortController().signal, idleTimeoutMs: LONGEST_MS })
    } catch (error) {
      throw HoldfastError.is(error) ? error : unavailable(error)
    }
  }

  return {
    async list({ topic, limit }) {
      const isCount = Number.isSafeInteger(limit) && limit >= 1 && limit < 2 ** 31
      refuseUnfit(isCount ? [] : [{ path: 'limit', message: 'an integer from 1 to 2147483647 is needed' }])
      const rows = (await ask(sqlOf('all').list, [topic ?? NO_TOPIC, limit])) as readonly ListRow[]
      return rows.map((row) => ({
        rowId: BigInt(row.row),
        id: row.message,
        topic: row.topic,
        key: row.key === null ? null : bytesOf(row.key),
        bytes: row.bytes,
        enqueuedAt: new Date(row.enqueued),
        parkedAt: new Date(row.parked),
        code: row.code,
        reason: row.reason,
        behind: row.behind,
      }))
    },
    retry: (selection) => change('retry', selection),
    discard: (selection) => change('discard', selection),
  }
}

interface ListRow {
  readonly row: string
  readonly message: string
  readonly topic: string
  readonly key: unknown
  readonly bytes: number
  readonly enqueued: number
  readonly parked: number
  readonly code: string
  readonly reason: string
  readonly behind: number
}

function valueOf(selection: ParkedSelection): string | null {
  if (selection.kind === 'message') return selection.id
  return selection.kind === 'topic' ? selection.topic : null
}

// A selection without its name would be all of them.
function selectionProblems(selection: ParkedSelection): Problem[] {
  const { kind } = (selection ?? {}) as Partial<ParkedSelection>
  if (kind === 'all') return []
  if (kind !== 'message' && kind !== 'topic') return [{ path: 'kind', message: "must be 'message', 'topic' or 'all'" }]
  const name = valueOf(selection)
  return typeof name === 'string' && name !== ''
    ? []
    : [{ path: kind === 'message' ? 'id' : 'topic', message: 'a name is needed' }]
}

function refuseUnfit(problems: readonly Problem[]): void {
  if (problems.length === 0) return
  throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'outbox operation: options do not fit', { problems })
}

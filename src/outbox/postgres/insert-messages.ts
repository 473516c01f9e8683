import type { Runtime } from '../../clock/index.ts'
import type { Query } from '../../database/index.ts'
import { isFailedTransaction, sqlStateOf } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { keyPlace } from '../key-place.ts'
import type { OutboxMessage } from '../outbox-store.ts'
import { BUCKETS } from '../relay-store.ts'
import { encodeHeaders } from './header-bytes.ts'
import type { InsertSql } from './insert-sql.ts'
import { insertSql } from './insert-sql.ts'
import { lockClasses } from './lock-classes.ts'
import type { OutboxTable } from './outbox-table.ts'
import { outboxNames } from './outbox-table.ts'
import { noOpenTransaction } from './transaction-refusals.ts'

/** How messages become rows. */
export interface InsertOptions {
  readonly where: OutboxTable
  readonly keyOrder: 'commit' | 'none'
  readonly notify: boolean
  readonly keepSent: boolean
  readonly runtime: Pick<Runtime, 'random' | 'ids' | 'failpoint'>
}

/**
 * Stores messages by statements of one transaction.
 *
 * @param inTransaction - somebody has seen that it is open. Else two statements prove it: what the first one sets, for its transaction alone, the
 * second has to find. Outside of a transaction each statement is one by itself, and nothing is stored.
 * @throws HOLDFAST_CONFIG_INVALID when it is not open; HOLDFAST_MESSAGE_INVALID for what PostgreSQL cannot store; what the client throws.
 */
export type InsertMessages = (query: Query, messages: readonly OutboxMessage[], inTransaction: boolean) => Promise<void>

/** More keys than this in one call lock whole buckets: all locks of a server lie in one table of fixed size. */
const MOST_KEY_LOCKS = 1_000
/** What one statement takes, about: the text of its arrays is made in memory, here and in the server. */
const MOST_ROWS = 2_000
const MOST_BYTES = 8 * 2 ** 20

/** Makes {@link InsertMessages}. */
export function createInsert(options: InsertOptions): InsertMessages {
  const { where, keyOrder, notify, keepSent, runtime } = options
  const names = outboxNames(where)
  const sql = insertSql({ names, locks: lockClasses(names), notify, keepSent })

  const rowOf = (message: OutboxMessage): Row => {
    const { id, topic, key, value, headers, timestamp, partition } = message
    const place = key === null ? null : keyPlace(topic, key)
    return {
      bucket: place?.bucket ?? Math.floor(runtime.random() * BUCKETS), // without a key there is no order to keep
      lock: keyOrder === 'commit' ? (place?.lock ?? null) : null,
      values: [id, topic, bufferOf(key), bufferOf(value), encodeHeaders(headers), String(timestamp), partition ?? null],
    }
  }

  // Not async up to the client's own call: see `enqueue`.
  const insertKnown = (query: Query, rows: readonly Row[]): Promise<unknown> => {
    const [first] = rows
    if (rows.length === 1 && first !== undefined) {
      return first.lock === null
        ? query(sql.insertOne, [first.bucket, ...first.values])
        : query(sql.lockAndInsertOne, [first.bucket, ...first.values, first.lock])
    }
    const locks = locksOf(rows)
    return inPieces(rows, (columns, i) =>
      i === 0 ? query(...lockAndInsert(sql, locks, columns)) : query(sql.insertMany, columns),
    )
  }

  const insertProven = async (query: Query, rows: readonly Row[]): Promise<void> => {
    const token = runtime.ids()
    const { kind, buckets, keys } = locksOf(rows)
    await (kind === 'buckets' ? query(sql.lockBuckets, [token, buckets]) : query(sql.lock, [token, buckets, keys]))
    const stopped = runtime.failpoint('outbox:locked')
    if (stopped !== undefined) await stopped
    const [first] = rows
    if (rows.length === 1 && first !== undefined) {
      const stored = await query(sql.insertOneLocked, [first.bucket, ...first.values, token])
      if (stored.length !== 1) throw noOpenTransaction()
      return
    }
    await inPieces(rows, async (columns) => {
      const [answer] = (await query(sql.insertManyLocked, [...columns, token])) as readonly {
        readonly stored: number
      }[]
      if (answer?.stored !== (columns[0] as readonly unknown[]).length) throw noOpenTransaction()
    })
  }

  return (query, messages, inTransaction) => {
    const problems = problemsOf(messages)
    if (problems.length > 0) return Promise.reject(unstorable(problems))
    const rows = messages.map(rowOf)
    if (rows.length === 0) return Promise.resolve()
    const inserted = inTransaction && !keepSent ? insertKnown(query, rows) : insertProven(query, rows)
    return inserted.then(ignore, (error: unknown) => {
      throw isFailedTransaction(sqlStateOf(error)) ? noOpenTransaction(error) : error
    })
  }
}

/** A message as it is stored. */
interface Row {
  readonly bucket: number
  /** Null: it takes none. */
  readonly lock: number | null
  /** In the order of the columns, from the message's id on. */
  readonly values: readonly unknown[]
}

/** What has to be locked, sorted: whoever takes the same locks in the same order never waits for one who waits for him. */
interface Locks {
  readonly kind: 'none' | 'keys' | 'buckets'
  readonly buckets: readonly number[]
  readonly keys: readonly number[]
}

function locksOf(rows: readonly Row[]): Locks {
  const locked = rows.filter((row) => row.lock !== null)
  const sorted = (numbers: readonly number[]): number[] => [...new Set(numbers)].toSorted((a, b) => a - b)
  const buckets = sorted(locked.map((row) => row.bucket))
  const keys = sorted(locked.map((row) => row.lock!))
  if (keys.length > MOST_KEY_LOCKS) return { kind: 'buckets', buckets, keys: [] }
  return { kind: keys.length === 0 ? 'none' : 'keys', buckets, keys }
}

function lockAndInsert(
  sql: InsertSql,
  { kind, buckets, keys }: Locks,
  columns: readonly unknown[],
): [statement: string, values: readonly unknown[]] {
  if (kind === 'none') return [sql.insertMany, columns]
  if (kind === 'buckets') return [sql.lockBucketsAndInsertMany, [...columns, buckets]]
  return [sql.lockAndInsertMany, [...columns, buckets, keys]]
}

/** Does something with the columns of some rows after the other. */
async function inPieces(
  rows: readonly Row[],
  insert: (columns: readonly unknown[], i: number) => Promise<unknown>,
): Promise<void> {
  let begin = 0
  for (let i = 0; begin < rows.length; i++) {
    let end = begin
    for (let bytes = 0; end < rows.length && end - begin < MOST_ROWS; end++) {
      bytes += bytesOf(rows[end]!)
      if (bytes > MOST_BYTES && end > begin) break
    }
    await insert(columnsOf(rows.slice(begin, end)), i)
    begin = end
  }
}

function columnsOf(rows: readonly Row[]): readonly (readonly unknown[])[] {
  const [first] = rows
  return [
    rows.map(({ bucket }) => bucket),
    ...first!.values.map((_, column) => rows.map(({ values }) => values[column])),
  ]
}

function bytesOf({ values }: Row): number {
  return values.reduce<number>((sum, value) => sum + (Buffer.isBuffer(value) ? value.length : 0), 0)
}

/** Clients know Node's buffers; of other arrays of bytes some make text. */
function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The one thing that fits a message and no column. */
function problemsOf(messages: readonly OutboxMessage[]): readonly Problem[] {
  const message = 'has a zero character, which PostgreSQL cannot store'
  if (messages.length === 1) return messages[0]!.id.includes('\0') ? [{ path: '(id)', message }] : []
  return messages.flatMap(({ id, topic }, i) => (id.includes('\0') ? [{ path: `[${i}] ${topic}: (id)`, message }] : []))
}

function unstorable(problems: readonly Problem[]): HoldfastError {
  return new HoldfastError('HOLDFAST_MESSAGE_INVALID', 'PostgreSQL cannot store this; nothing was stored', { problems })
}

function ignore(): void {}

import assert from 'node:assert/strict'
import type {
  BucketLease,
  OutboxMessage,
  OutboxStore,
  RelayStore,
  RowPlace,
  SentRow,
  WaitingRow,
} from '../../../outbox/index.ts'
import { BUCKETS, keyPlace } from '../../../outbox/index.ts'

/** What one test of the suite works with: an outbox in which there is nothing, and that nobody else uses. */
export interface OutboxStoreWorld {
  readonly store: OutboxStore<unknown>
  /** The same outbox as another process sees it. @defaultValue the same */
  readonly otherStore?: OutboxStore<unknown>
  /** Does the work in a savepoint of the transaction, in the way of the store's database client: taken back when it rejects. */
  savepoint(transaction: unknown, work: (transaction: unknown) => Promise<void>): Promise<void>
  /** What looks like a transaction and is none: the pool, or the client, that transactions are begun on. */
  readonly pool: unknown
  /** Resolves when so many transactions wait for the end of others. */
  untilWaiting(count: number): Promise<void>
  /** Lets so much time pass for the store: a virtual clock moves, a real one is waited for. */
  readonly tick: (ms: number) => Promise<void>
  close(): Promise<void>
}

/** One promise of the port, and how it is held. */
export interface OutboxStoreCase {
  readonly promise: string
  readonly hold: (world: OutboxStoreWorld, leaseMs: number) => Promise<void>
}

/** A transaction that a test ends when it likes. */
export interface OpenTransaction {
  insert(...messages: readonly OutboxMessage[]): Promise<void>
  readonly transaction: unknown
  /** Resolves when it is committed. */
  commit(): Promise<void>
  /** Resolves when it is rolled back. */
  rollback(): Promise<void>
}

export const TOPIC = 'orders'

/** A message of a key of {@link TOPIC}; null: of none. */
export function message(id: string, key: string | null = 'a', rest: Partial<OutboxMessage> = {}): OutboxMessage {
  return {
    id,
    topic: TOPIC,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(id),
    headers: [['holdfast-id', Buffer.from(id)]],
    timestamp: 1_767_225_600_000n,
    ...rest,
  }
}

/** Which bucket the rows of a key of {@link TOPIC} lie in. */
export function bucketOf(key: string): number {
  return keyPlace(TOPIC, Buffer.from(key)).bucket
}

/** Keys of {@link TOPIC} that lie in one bucket. */
export function keysOfOneBucket(count: number): string[] {
  const bucket = bucketOf('a')
  const keys: string[] = []
  for (let i = 0; keys.length < count; i++) if (bucketOf(`k${i}`) === bucket) keys.push(`k${i}`)
  return keys
}

/** Commits messages, each row in the order given. */
export function commit(store: OutboxStore<unknown>, ...messages: readonly OutboxMessage[]): Promise<void> {
  return store.transact((transaction) => store.insert(transaction, messages))
}

/** Begins a transaction. */
export async function begin(store: OutboxStore<unknown>): Promise<OpenTransaction> {
  const rolledBack = new Error('the test rolls back')
  let end = (_how: 'commit' | 'rollback'): void => {}
  const ending = new Promise<'commit' | 'rollback'>((resolve) => (end = resolve))
  let given = (_transaction: unknown): void => {}
  const giving = new Promise<{ readonly transaction: unknown }>((resolve) => {
    given = (transaction) => resolve({ transaction }) // a query builder's transaction may be a thenable
  })
  const ended = store.transact(async (transaction) => {
    given(transaction)
    if ((await ending) === 'rollback') throw rolledBack
  })
  ended.catch(() => {}) // told to who ends it
  const { transaction } = await Promise.race([giving, ended.then(() => assert.fail('the transaction did not begin'))])
  return {
    transaction,
    insert: (...messages) => store.insert(transaction, messages),
    async commit() {
      end('commit')
      await ended
    },
    async rollback() {
      end('rollback')
      await assert.rejects(ended, (error) => error === rolledBack)
    },
  }
}

const ALL_ROWS = { maxRows: 100_000, maxBytes: 1_000_000_000 }

/** All that waits, by row id. */
export async function waiting({ relay }: OutboxStore<unknown>): Promise<WaitingRow[]> {
  const ranges = Array.from({ length: BUCKETS }, (_, bucket) => ({ bucket, after: 0n }))
  return [...(await relay.fetch(ranges, ALL_ROWS))].sort(byRowId)
}

/** The ids of messages of all that waits, by row id. */
export async function waitingIds(store: OutboxStore<unknown>): Promise<string[]> {
  return (await waiting(store)).map(({ id }) => id)
}

/** Rows as Kafka has acknowledged them. */
export function acknowledged(rows: readonly RowPlace[]): SentRow[] {
  return rows.map(({ bucket, rowId }, i) => ({ bucket, rowId, partition: 0, offset: BigInt(i) }))
}

/** Takes all buckets, and answers with the lease of one. */
export async function leaseOf(
  relay: RelayStore,
  bucket: number,
  leaseMs: number,
  worker = 'one',
): Promise<BucketLease> {
  const { leases } = await relay.lease(worker, leaseMs)
  const lease = leases.find((each) => each.bucket === bucket)
  assert.ok(lease, `${worker} has bucket ${bucket}`)
  return lease
}

/** The row that waits with this message id. */
export async function rowOf(store: OutboxStore<unknown>, id: string): Promise<WaitingRow> {
  const row = (await waiting(store)).find((each) => each.id === id)
  assert.ok(row, `${id} waits`)
  return row
}

export const reason = { code: 'HOLDFAST_RECORD_TOO_LARGE', message: 'too large for orders' } as const

/** Parks the first of these messages, and sets those after it aside; they wait now, and are of one bucket. */
export async function park(
  store: OutboxStore<unknown>,
  leaseMs: number,
  id: string,
  ...behindIds: readonly string[]
): Promise<BucketLease> {
  const row = await rowOf(store, id)
  const behind = await Promise.all(behindIds.map((each) => rowOf(store, each)))
  const lease = await leaseOf(store.relay, row.bucket, leaseMs)
  const done = await store.relay.setAside(lease, { parked: [{ ...placeOf(row), reason }], behind: behind.map(placeOf) })
  assert.equal(done, true)
  return lease
}

/** Where a row lies, and nothing else of it. */
export function placeOf({ bucket, rowId }: RowPlace): RowPlace {
  return { bucket, rowId }
}

function byRowId(one: RowPlace, other: RowPlace): number {
  return one.rowId < other.rowId ? -1 : 1
}

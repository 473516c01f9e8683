import { HoldfastError } from '../../errors/index.ts'
import type { OutboxMessage } from '../../outbox/index.ts'
import { BUCKETS, keyPlace } from '../../outbox/index.ts'
import type { AdvisoryLocks, LockMode } from './advisory-locks.ts'
import { databaseError } from './database-error.ts'
import type { InMemoryOutboxFaults } from './outbox-call.ts'
import { throughFaults } from './outbox-call.ts'
import type { RowIds } from './row-ids.ts'
import type { Fate, Holder, OutboxRow, RowVersions } from './row-versions.ts'
import { byRowId } from './row-versions.ts'

/** A transaction of an in-memory outbox, as a test begins one: what is done in it comes one after the other. */
export interface InMemoryTransaction {
  readonly state: 'open' | 'failed' | 'committed' | 'rolled-back'
  /** Does the work within a savepoint: what it has written is taken back, and its locks let go, when it rejects. */
  savepoint<T>(work: (transaction: InMemoryTransaction) => Promise<T>): Promise<T>
  /**
   * @throws code 25P02 when a statement in it has failed: it is rolled back then. HOLDFAST_CONFIG_INVALID when it has ended.
   */
  commit(): Promise<void>
  /** Safe to call twice. */
  rollback(): Promise<void>
}

/** A client's connection: it outlives transactions, and with it what it has in stock of a sequence. */
export type Session = object

/** The transactions of a database. */
export interface Transactions {
  begin(session: Session, faults: InMemoryOutboxFaults, onEnd: () => void): InMemoryTransaction
  /**
   * Writes rows, as one statement.
   *
   * @throws HOLDFAST_CONFIG_INVALID for what is no open transaction of this database
   */
  insert(transaction: InMemoryTransaction, messages: readonly OutboxMessage[]): Promise<void>
  /** Its connection is gone: what it has written is too. */
  breakOff(transaction: InMemoryTransaction): void
  /** Those that hold the table's lock: each has it from before it draws an id to its end. */
  writers(): readonly string[]
  /** Called at each commit, with the rows that it has made visible. */
  readonly onCommit: Set<(rows: readonly OutboxRow[]) => void>
}

/** What transactions are made of. */
export interface TransactionsParts {
  readonly ids: RowIds
  readonly locks: AdvisoryLocks
  readonly rows: RowVersions
  readonly now: () => number
  /** False: keys are not locked (O1 and O2 come back). */
  readonly locksKeys: boolean
}

/** A transaction or a savepoint of it. */
interface Level {
  readonly fate: Fate
  /** It holds the table's lock. */
  wroteTo: boolean
  readonly rows: OutboxRow[]
}

interface OpenTransaction {
  readonly name: string
  readonly session: Session
  readonly faults: InMemoryOutboxFaults
  /** Since its first statement that writes. */
  holder: Holder | null
  readonly onEnd: () => void
  /** The transaction, and the savepoints that are open in it. */
  readonly levels: Level[]
  /** Savepoints that were released: theirs is the fate of what is around them. */
  readonly released: Map<Level, Level[]>
  state: InMemoryTransaction['state']
  /** Statements come one after the other. */
  queue: Promise<unknown>
}

/** Above this many keys at once buckets are locked instead. */
const MAX_KEY_LOCKS = 1_000

/** Makes the transactions of a database. */
export function createTransactions({ ids, locks, rows, now, locksKeys }: TransactionsParts): Transactions {
  const open = new Map<InMemoryTransaction, OpenTransaction>()
  let begun = 0

  const refuseEnded = (transaction: InMemoryTransaction): OpenTransaction => {
    const found = open.get(transaction)
    if (found !== undefined) return found
    const message = 'what was given is no open transaction of this outbox: it has ended, or it is a pool'
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', message)
  }
  const refuseFailed = (transaction: OpenTransaction): void => {
    if (transaction.state === 'failed') throw databaseError('25P02', 'current transaction is aborted')
  }
  const inTurn = <T>(transaction: OpenTransaction, work: () => Promise<T>): Promise<T> => {
    const result = transaction.queue.then(work)
    transaction.queue = result.catch(() => {})
    return result
  }
  /** All levels within one, itself included: those that were released share its fate. */
  const within = (transaction: OpenTransaction, level: Level): Level[] => [
    level,
    ...(transaction.released.get(level) ?? []).flatMap((each) => within(transaction, each)),
  ]
  const takeBack = (transaction: OpenTransaction, level: Level): void => {
    const levels = within(transaction, level)
    for (const { fate } of levels) fate.state = 'rolled-back'
    rows.takeBack(levels.map(({ fate }) => fate))
    for (const each of levels) locks.letGo(each)
  }
  const end = (handle: InMemoryTransaction, transaction: OpenTransaction, how: 'committed' | 'rolled-back'): void => {
    open.delete(handle)
    transaction.state = how
    const written: OutboxRow[] = []
    for (const level of transaction.levels.toReversed()) {
      if (how === 'rolled-back') takeBack(transaction, level)
      else
        for (const each of within(transaction, level)) {
          each.fate.state = 'committed'
          locks.letGo(each)
          written.push(...each.rows)
        }
    }
    if (transaction.holder !== null) rows.letGo(transaction.holder)
    transaction.onEnd()
    if (how === 'committed') for (const listener of onCommit) listener(written.toSorted(byRowId))
  }
  /** A statement goes on after a wait: its connection may be gone meanwhile, and nobody would ever let go of what it takes now. */
  const refuseBrokenOff = (handle: InMemoryTransaction): void => {
    if (!open.has(handle)) throw databaseError('57P01', 'the connection was ended')
  }
  const lockAll = async (
    handle: InMemoryTransaction,
    transaction: OpenTransaction,
    level: Level,
    messages: readonly OutboxMessage[],
  ): Promise<void> => {
    for (const [name, mode] of locksFor(messages)) {
      await locks.take(name, mode, transaction, level)
      refuseBrokenOff(handle)
    }
  }
  const write = async (
    handle: InMemoryTransaction,
    transaction: OpenTransaction,
    level: Level,
    messages: readonly OutboxMessage[],
  ): Promise<void> => {
    if (locksKeys) await lockAll(handle, transaction, level, messages)
    transaction.holder ??= rows.hold()
    level.wroteTo = true // the table's lock, taken before an id is drawn
    const drawn = messages.map((message) => ({ message: copyOf(message), rowId: ids.draw(transaction.session) }))
    await transaction.faults.within?.('insert')
    refuseBrokenOff(handle)
    for (const { message, rowId } of drawn) {
      // Without a key there is no order to keep: spread over all buckets, such rows are work for every worker.
      const bucket =
        message.key === null ? Number(rowId % BigInt(BUCKETS)) : keyPlace(message.topic, message.key).bucket
      const row: OutboxRow = { bucket, rowId, message, enqueuedAtMs: now(), aside: null }
      rows.add(row, level.fate)
      level.rows.push(row)
    }
  }

  const onCommit: Transactions['onCommit'] = new Set()
  return {
    onCommit,
    begin(session, faults, onEnd) {
      const transaction: OpenTransaction = {
        name: `transaction ${++begun}`,
        session,
        faults,
        holder: null,
        onEnd,
        levels: [freshLevel()],
        released: new Map(),
        state: 'open',
        queue: Promise.resolve(),
      }
      const handle: InMemoryTransaction = {
        get state() {
          return transaction.state
        },
        async savepoint(work) {
          refuseEnded(handle)
          refuseFailed(transaction)
          const level = freshLevel()
          transaction.levels.push(level)
          try {
            const answer = await work(handle)
            await transaction.queue
            refuseEnded(handle)
            refuseFailed(transaction)
            const around = transaction.levels.at(transaction.levels.indexOf(level) - 1)!
            remove(transaction.levels, level)
            transaction.released.set(around, [...(transaction.released.get(around) ?? []), level])
            return answer
          } catch (error) {
            await transaction.queue
            if (!open.has(handle)) throw error
            takeBack(transaction, level)
            remove(transaction.levels, level)
            transaction.state = 'open'
            throw error
          }
        },
        commit: () =>
          inTurn(transaction, () =>
            throughFaults(faults, 'commit', () => {
              refuseEnded(handle)
              const hasFailed = transaction.state === 'failed'
              end(handle, transaction, hasFailed ? 'rolled-back' : 'committed')
              if (hasFailed) throw databaseError('25P02', 'current transaction is aborted: it was rolled back')
            }),
          ),
        rollback: () =>
          inTurn(transaction, () =>
            throughFaults(faults, 'rollback', () => {
              if (open.has(handle)) end(handle, transaction, 'rolled-back')
            }),
          ),
      }
      open.set(handle, transaction)
      return handle
    },
    async insert(handle, messages) {
      const transaction = refuseEnded(handle)
      await inTurn(transaction, () =>
        throughFaults(transaction.faults, 'insert', async () => {
          refuseEnded(handle)
          refuseFailed(transaction)
          try {
            await write(handle, transaction, transaction.levels.at(-1)!, messages)
          } catch (error) {
            if (transaction.state === 'open') transaction.state = 'failed'
            throw error
          }
        }),
      )
    },
    breakOff(handle) {
      const transaction = open.get(handle)
      if (transaction !== undefined) end(handle, transaction, 'rolled-back')
    },
    writers: () =>
      [...open.values()]
        .filter((each) => each.levels.some((level) => within(each, level).some(({ wroteTo }) => wroteTo)))
        .map(({ name }) => name),
  }
}

/** In the order in which everybody takes them, so that two inserts never wait for each other. */
function locksFor(messages: readonly OutboxMessage[]): ReadonlyArray<readonly [name: string, mode: LockMode]> {
  const places = messages.flatMap(({ topic, key }) => (key === null ? [] : [keyPlace(topic, key)]))
  const sorted = (numbers: readonly number[]): number[] => [...new Set(numbers)].toSorted((one, other) => one - other)
  const keys = sorted(places.map(({ lock }) => lock))
  if (keys.length > MAX_KEY_LOCKS)
    return Array.from({ length: BUCKETS }, (_, bucket) => [`bucket ${bucket}`, 'exclusive'])
  return [
    ...sorted(places.map(({ bucket }) => bucket)).map((bucket) => [`bucket ${bucket}`, 'shared'] as const),
    ...keys.map((key) => [`key ${key}`, 'exclusive'] as const),
  ]
}

function freshLevel(): Level {
  return { fate: { state: 'open' }, wroteTo: false, rows: [] }
}

/** Whatever the caller does to its buffers afterwards, the row stays as it was. */
function copyOf(message: OutboxMessage): OutboxMessage {
  return {
    ...message,
    key: bytesOf(message.key),
    value: bytesOf(message.value),
    headers: message.headers.map(([name, value]) => [name, bytesOf(value)]),
  }
}

function bytesOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Buffer.from(bytes)
}

function remove<T>(from: T[], which: T): void {
  from.splice(from.indexOf(which), 1)
}

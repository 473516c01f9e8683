import type { Query, Transactions } from '../../database/index.ts'
import { isCollision, isFailedTransaction, isMissing, isOutage, sqlStateOf } from '../../database/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { InboxCall, InboxEnd, InboxMessage } from '../inbox.ts'
import type { InboxSql } from './inbox-sql.ts'

/** A message and where it lies: the hash of its id. */
export interface Placed {
  readonly place: Buffer
  readonly message: InboxMessage
}

/** What came of a transaction. `known`: all of its messages were marked before. `collided`: the database ended it for the sake of others. */
export type Tried<T> =
  | { readonly kind: 'committed' | 'rolled-back'; readonly value: T; readonly fresh: readonly InboxMessage[] }
  | { readonly kind: 'known' | 'collided' }

/** What transactions of an inbox are made of. */
export interface InboxTransactionOptions<Tx> {
  readonly database: Transactions<Tx>
  readonly sql: InboxSql
  readonly ttlMs: number
  readonly unavailable: (cause: unknown) => HoldfastError
}

/**
 * Marks messages and does the work for those that were not marked before, in one transaction, once.
 *
 * @param places - no two alike
 * @throws as `Inbox.handle` does.
 */
export async function tryTransaction<Tx, T>(
  { database, sql, ttlMs, unavailable }: InboxTransactionOptions<Tx>,
  call: InboxCall,
  places: readonly Placed[],
  work: (tx: Tx, fresh: readonly InboxMessage[]) => Promise<InboxEnd<T>>,
): Promise<Tried<T>> {
  const { signal, idleTimeoutMs } = call
  const ids = places.map(({ place }) => place)
  const tokens = places.map(({ message }) => message.token)
  let end: Ending<T> = { kind: 'begun' }
  let stopListening = (): void => {}
  try {
    return await database.transact(async (tx, query) => {
      const rows = await query(sql.mark, [ids, tokens, ttlMs, 'handled', idleTimeoutMs])
      const marked = new Set((rows as readonly Marked[]).map(({ id }) => nameOf(id)))
      const fresh = places.filter(({ place }) => marked.has(nameOf(place)))
      const [first] = fresh
      if (first === undefined) return { kind: 'known' }
      // A client that destroys its side leaves the statement under way, and its locks, to the server.
      const { pid, since } = rows[0] as Marked
      const stop = (): void => void database.query(sql[database.outOfTime], [pid, since]).catch(ignore)
      signal.addEventListener('abort', stop)
      stopListening = () => signal.removeEventListener('abort', stop)

      const messages = fresh.map(({ message }) => message)
      const { commit, value } = await work(tx, messages).catch(async (thrown: unknown) => {
        end = { kind: 'threw', thrown, alive: await isAlive(query) }
        throw thrown
      })
      end = { kind: 'ended', commit, value }
      if (!commit) throw new RollBack()
      const [own] = await query(sql.own, [first.place, first.message.token])
      if (own === undefined) throw endedItself()
      return { kind: 'committed', value, fresh: messages }
    }, call)
  } catch (error) {
    return verdictOn(error, end, unavailable)
  } finally {
    stopListening()
  }
}

function verdictOn<T>(error: unknown, end: Ending<T>, unavailable: (cause: unknown) => HoldfastError): Tried<T> {
  if (end.kind === 'ended' && !end.commit) return { kind: 'rolled-back', value: end.value, fresh: [] }
  const thrown = end.kind === 'threw' ? end.thrown : error
  const state = sqlStateOf(thrown)
  if (isCollision(state)) return { kind: 'collided' }
  if (end.kind === 'threw' && end.alive && !isOutage(state)) throw thrown
  if (end.kind === 'ended' && isFailedTransaction(state)) throw wentOn(error)
  // A deferred constraint speaks up in the commit; what has no state at all is a connection that has gone.
  const isFault = end.kind === 'ended' && state !== null && !isOutage(state) && !isMissing(state)
  throw isFault || HoldfastError.is(error) ? error : unavailable(error)
}

/** How far a transaction has come. */
type Ending<T> =
  | { readonly kind: 'begun' }
  | { readonly kind: 'threw'; readonly thrown: unknown; /** Is its connection? */ readonly alive: boolean }
  | (InboxEnd<T> & { readonly kind: 'ended' })

interface Marked {
  readonly id: Uint8Array
  readonly pid: number
  readonly since: string
}

/** An id in its table as a key of a map, whatever kind of bytes a client makes of it. */
export function nameOf(place: Uint8Array): string {
  return Buffer.from(place.buffer, place.byteOffset, place.byteLength).toString('latin1')
}

/** Only ends the transaction. */
class RollBack extends Error {}

/** A handler's own trouble, or the connection's? A transaction of which a statement has failed still answers. */
async function isAlive(query: Query): Promise<boolean> {
  try {
    await query('select 1', [])
    return true
  } catch (error) {
    return isFailedTransaction(sqlStateOf(error))
  }
}

function endedItself(): HoldfastError {
  const message =
    'the handler has rolled its transaction back itself: throw, or return an outcome, and it is done for you'
  return new HoldfastError('HOLDFAST_TRANSACTION_ABORTED', message)
}

function wentOn(cause: unknown): HoldfastError {
  const message =
    'the handler resolved although a statement of its transaction had failed, so nothing of it could be committed: let the error through, or use a savepoint'
  return new HoldfastError('HOLDFAST_TRANSACTION_ABORTED', message, { cause })
}

function ignore(): void {}

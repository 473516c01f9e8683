import type { HoldfastError } from '../errors/index.ts'
import { storeUnavailable } from '../errors/index.ts'
import { isMissing, sqlStateOf } from './sql-states.ts'
import type { Query } from './transactions.ts'

/** The way to the tables of a store, on which what a client throws becomes what the ports say. */
export interface DatabaseAccess {
  /** @throws HOLDFAST_STORE_UNAVAILABLE */
  readonly ask: Query
  /** What a failure of the client is called. */
  unavailable(cause: unknown): HoldfastError
}

/**
 * Makes {@link DatabaseAccess}.
 *
 * @param store - what errors call it
 * @param whenMissing - what to do about tables that are not there
 */
export function databaseAccess(store: string, whenMissing: string, query: Query): DatabaseAccess {
  const unavailable = (cause: unknown): HoldfastError =>
    storeUnavailable(isMissing(sqlStateOf(cause)) ? `${store} (${whenMissing})` : store, cause)
  return {
    unavailable,
    async ask(statement, values) {
      try {
        return await query(statement, values)
      } catch (error) {
        throw unavailable(error)
      }
    },
  }
}

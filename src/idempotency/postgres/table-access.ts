import type { Query } from '../../database/index.ts'
import { isMissing, sqlStateOf } from '../../database/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { storeRefusals } from '../store-refusals.ts'
import { dedupeSql } from './dedupe-sql.ts'
import type { DedupeTable } from './dedupe-table.ts'
import { tableIsMissing } from './dedupe-table.ts'

/** The way to a table, on which what a client throws becomes what the ports say. */
export interface TableAccess {
  /** @throws HOLDFAST_STORE_UNAVAILABLE */
  readonly ask: Query
  /** What a failure of the client is called. */
  unavailable(cause: unknown): HoldfastError
  /** @throws HOLDFAST_CONFIG_INVALID when the table is not there, or not as it should be; HOLDFAST_STORE_UNAVAILABLE */
  check(): Promise<void>
}

/** Makes {@link TableAccess}. @param store - what errors call it */
export function tableAccess(store: string, where: DedupeTable, query: Query): TableAccess {
  const { check } = dedupeSql(where)
  const unavailable = (cause: unknown): HoldfastError =>
    storeRefusals.unavailable(isMissing(sqlStateOf(cause)) ? `${store} (${tableIsMissing(where)})` : store, cause)
  const ask: Query = async (statement, values) => {
    try {
      return await query(statement, values)
    } catch (error) {
      throw unavailable(error)
    }
  }
  return {
    ask,
    unavailable,
    async check() {
      try {
        await ask(check, [])
      } catch (error) {
        if (!HoldfastError.is(error) || !isMissing(sqlStateOf(error.cause))) throw error
        throw storeRefusals.unfitOptions(store, [{ path: 'table', message: tableIsMissing(where) }])
      }
    },
  }
}

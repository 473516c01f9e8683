import type { DatabaseAccess, Query } from '../../database/index.ts'
import { databaseAccess, isMissing, sqlStateOf } from '../../database/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { storeRefusals } from '../store-refusals.ts'
import { dedupeSql } from './dedupe-sql.ts'
import type { DedupeTable } from './dedupe-table.ts'
import { tableIsMissing } from './dedupe-table.ts'

/** The way to the table of marks. */
export interface TableAccess extends DatabaseAccess {
  /** @throws HOLDFAST_CONFIG_INVALID when the table is not there, or not as it should be; HOLDFAST_STORE_UNAVAILABLE */
  check(): Promise<void>
}

/** Makes {@link TableAccess}. @param store - what errors call it */
export function tableAccess(store: string, where: DedupeTable, query: Query): TableAccess {
  const access = databaseAccess(store, tableIsMissing(where), query)
  return {
    ...access,
    async check() {
      try {
        await access.ask(dedupeSql(where).check, [])
      } catch (error) {
        if (!HoldfastError.is(error) || !isMissing(sqlStateOf(error.cause))) throw error
        throw storeRefusals.unfitOptions(store, [{ path: 'table', message: tableIsMissing(where) }])
      }
    },
  }
}

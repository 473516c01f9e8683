import type { DatabaseAccess, Query } from '../../database/index.ts'
import { databaseAccess } from '../../database/index.ts'
import type { OutboxTable } from './outbox-table.ts'
import { outboxIsMissing } from './outbox-table.ts'

/** The way to an outbox. */
export function outboxAccess(where: OutboxTable, query: Query): DatabaseAccess {
  return databaseAccess('the Postgres outbox', outboxIsMissing(where), query)
}

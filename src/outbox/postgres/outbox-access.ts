import type { Query } from '../../database/index.ts'
import { isMissing, sqlStateOf } from '../../database/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { OutboxTable } from './outbox-table.ts'
import { outboxIsMissing } from './outbox-table.ts'

/** The way to an outbox, on which what a client throws becomes what the ports say. */
export interface OutboxAccess {
  /** @throws HOLDFAST_STORE_UNAVAILABLE */
  readonly ask: Query
  /** What a failure of the client is called. */
  unavailable(cause: unknown): HoldfastError
}

const STORE = 'the Postgres outbox'

/** Makes {@link OutboxAccess}. */
export function outboxAccess(where: OutboxTable, query: Query): OutboxAccess {
  const unavailable = (cause: unknown): HoldfastError => {
    const missing = isMissing(sqlStateOf(cause)) ? ` (${outboxIsMissing(where)})` : ''
    // What the client threw may hold keys: it is the cause, and never in the message.
    return new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', `${STORE}${missing} does not answer, or not as it should`, {
      retriable: true,
      cause,
    })
  }
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

import type { Query } from '../../database/index.ts'
import { isMissing, sqlStateOf } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { BUCKETS } from '../relay-store.ts'
import type { OutboxTable } from './outbox-table.ts'
import { outboxIsMissing, outboxNames } from './outbox-table.ts'

/** What is looked at. */
export interface OutboxCheck {
  readonly where: OutboxTable
  /** Throws HOLDFAST_STORE_UNAVAILABLE with the client's error as its cause. */
  readonly ask: Query
  /** The table of sent rows has to be there too. */
  readonly keepSent: boolean
}

/** The first with `materialized` in `with`. */
const LEAST_VERSION = 12

/**
 * Looks at the tables of an outbox: whether they are there, with the columns that this version needs, and whether row ids come in the order in which they
 * are drawn.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem; HOLDFAST_STORE_UNAVAILABLE
 */
export async function checkOutbox({ where, ask, keepSent }: OutboxCheck): Promise<void> {
  const { outbox, sequence, buckets, workers, sent } = outboxNames(where)
  const problems: Problem[] = []
  const look = async (path: string, statement: string): Promise<readonly unknown[] | null> => {
    try {
      return await ask(statement, [])
    } catch (error) {
      if (!HoldfastError.is(error) || !isMissing(sqlStateOf(error.cause))) throw error
      problems.push({ path, message: outboxIsMissing(where) })
      return null
    }
  }

  await look(
    'table',
    `select bucket, id, message_id, topic, key, value, headers, "timestamp", partition, previous_id, enqueued_at, parked_at, parked_code, parked_reason
from ${outbox} limit 0`,
  )
  await look('table', `select worker, alive_until from ${workers} limit 0`)
  if (keepSent) {
    const columns = 'id, previous_id, message_id, topic, key, partition, "offset", enqueued_at, sent_at'
    if ((await look('table', `select ${columns} from ${sent} limit 0`)) === null)
      problems.push({ path: 'keepSentMs', message: `needs ${sent}: make it with --keep-sent, or keepSent: true` })
  }
  const found = (await look(
    'table',
    `select count(*) filter (where bucket between 0 and ${BUCKETS - 1})::integer as buckets, max(epoch)::text as epoch, max(generation)::text as generation,
  count(worker)::integer as held, count(lease_until)::integer as leased
from ${buckets}`,
  )) as readonly { readonly buckets: number }[] | null
  if (found !== null && found[0]!.buckets !== BUCKETS)
    problems.push({ path: 'table', message: `${buckets} must have the rows of buckets 0 to ${BUCKETS - 1}` })

  const [row] = (await ask(
    `select current_setting('server_version_num')::integer as version, to_regclass($1) is not null as present,
  (select seqcache = 1 and seqincrement = 1 and not seqcycle from pg_sequence where seqrelid = to_regclass($1)) as fit`,
    [sequence],
  )) as readonly { readonly version: number; readonly present: boolean; readonly fit: boolean | null }[]
  const { version, present, fit } = row!
  if (version < LEAST_VERSION * 10_000)
    problems.push({ path: 'query', message: `PostgreSQL ${LEAST_VERSION} or later is needed` })
  if (!present) problems.push({ path: 'table', message: outboxIsMissing(where) })
  else if (fit !== true) {
    const needs = 'must have cache 1, increment 1 and no cycle, or later rows of a key get smaller ids'
    problems.push({
      path: 'table',
      message: `${sequence} ${needs}: alter sequence ${sequence} cache 1 increment 1 no cycle`,
    })
  }

  const once = problems.filter(
    ({ message, path }, i) => problems.findIndex((other) => other.message === message && other.path === path) === i,
  )
  if (once.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the Postgres outbox is not fit', { problems: once })
}

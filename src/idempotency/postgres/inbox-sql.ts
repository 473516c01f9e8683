import type { DedupeTable } from './dedupe-table.ts'
import { fromNow, qualified } from './dedupe-table.ts'

/** What an inbox asks of its table. */
export interface InboxSql {
  /**
   * $1 ids, none of them twice, $2 their tokens, $3 how long a mark is kept in ms, $4 outcome, $5 how long the transaction may stand idle in
   * ms. A row with id, the backend's process id and when its transaction began for each that is marked; none for those that are done. Waits for transactions that are about
   * to mark the same messages: in the order of ids, so that no two wait for each other.
   */
  readonly mark: string
  /** $1 ids. A row with id, outcome and token of each that is done. */
  readonly done: string
  /** $1 id, $2 token. One row when the mark is this token's; fails in a transaction of which a statement has failed. */
  readonly own: string
  /** $1 id, $2 how long it is kept in ms. One row with the attempt; none when the message is done. */
  readonly count: string
  /** $1 id, $2 attempts that have come to nothing. */
  readonly giveBack: string
  /**
   * $1 the process id of a backend, $2 when its transaction began: ends it, if it is still at that transaction. Its connection may have gone on to
   * another message by now.
   */
  readonly terminate: string
  /** The same, for its statement. */
  readonly cancel: string
}

/** Makes {@link InboxSql}. */
export function inboxSql(where: DedupeTable): InboxSql {
  const table = qualified(where)
  // What the pool was told itself stands where it is the shorter time. 0 is none.
  const own = `extract(epoch from current_setting('idle_in_transaction_session_timeout')::interval) * 1000`
  const shorter = `case when ${own} between 1 and $5::int8 then ${own} else $5::int8 end`
  const stillAtIt = 'from pg_stat_activity where pid = $1 and extract(epoch from xact_start)::text = $2'
  const isOpen = '(kept.outcome is null or kept.marked_until < clock_timestamp())'
  return {
    mark: `insert into ${table} as kept (id, attempt, outcome, marked_by, marked_until, purge_after)
select message.id, 0, $4, message.token, ${fromNow('$3')}, ${fromNow('$3')}
from (select set_config('idle_in_transaction_session_timeout', (${shorter})::int8::text, true)) as settings,
  unnest($1::bytea[], $2::text[]) as message (id, token)
order by message.id
on conflict (id) do update set attempt = 0, outcome = excluded.outcome, marked_by = excluded.marked_by,
  marked_until = excluded.marked_until, lease = null, lease_until = null
where ${isOpen}
returning id, pg_backend_pid() as pid, extract(epoch from now())::text as since`,
    done: `select id, outcome, marked_by from ${table} where id = any($1::bytea[]) and outcome is not null and marked_until >= clock_timestamp()`,
    own: `select 1 as own from ${table} where id = $1 and marked_by = $2`,
    count: `insert into ${table} as kept (id, attempt, purge_after) values ($1, 1, ${fromNow('$2')})
on conflict (id) do update set attempt = kept.attempt + 1, outcome = null where ${isOpen}
returning attempt`,
    giveBack: `update ${table} set attempt = $2 where id = $1 and outcome is null`,
    terminate: `select pg_terminate_backend(pid) ${stillAtIt}`,
    cancel: `select pg_cancel_backend(pid) ${stillAtIt}`,
  }
}

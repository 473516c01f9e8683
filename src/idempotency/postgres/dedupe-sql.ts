import type { DedupeTable } from './dedupe-table.ts'
import { fromNow, qualified } from './dedupe-table.ts'

/** What a store asks of its table: each a statement, and so a transaction, of its own. */
export interface DedupeSql {
  /** $1 id, $2 token, $3 lease in ms, $4 replay, $5 how long a mark is kept in ms. One row with the attempt; none when it is done or busy. */
  readonly begin: string
  /** $1 id. How it stands now. */
  readonly look: string
  /** $1 id, $2 token, $3 outcome, $4 how long it is kept in ms. One row when the token holds the lease. */
  readonly complete: string
  /** $1 id, $2 token. One row when this token has made the mark. */
  readonly marked: string
  /** $1 id, $2 token, $3 failed attempts, or null when the begin does not count. */
  readonly abandon: string
  /** $1 id, $2 token, $3 lease in ms. One row when the token holds the lease. */
  readonly renew: string
  /** $1 the most rows, $2 a number that all who purge this table share. One row with how many went, null when another one purges. */
  readonly purge: string
  /** Fails when the table is not there, or not as it should be. */
  readonly check: string
}

/** Makes {@link DedupeSql}. The clock is the server's, so clients' clocks that differ change nothing. */
export function dedupeSql(where: DedupeTable): DedupeSql {
  const table = qualified(where)
  return {
    begin: `insert into ${table} as kept (id, lease, lease_until, attempt, purge_after)
values ($1, $2, ${fromNow('$3')}, 1, ${fromNow('($3::float8 + $5::float8)')})
on conflict (id) do update set lease = excluded.lease, lease_until = excluded.lease_until, attempt = kept.attempt + 1,
  purge_after = case when kept.purge_after < clock_timestamp() then excluded.purge_after else kept.purge_after end
where (kept.lease is null or kept.lease_until <= clock_timestamp())
  and ($4::boolean or kept.outcome is null or kept.marked_until < clock_timestamp())
returning attempt`,
    look: `select case when marked_until >= clock_timestamp() then outcome end as outcome, lease is not null as leased,
  extract(epoch from lease_until - clock_timestamp())::float8 * 1000 as left_ms
from ${table} where id = $1`,
    complete: `update ${table} set outcome = $3, marked_by = lease, marked_until = ${fromNow('$4')},
  lease = null, lease_until = null, attempt = 0
where id = $1 and lease = $2`,
    marked: `select from ${table} where id = $1 and marked_by = $2 and marked_until >= clock_timestamp()`,
    abandon: `update ${table} set lease = null, lease_until = null, attempt = coalesce($3::integer, attempt - 1)
where id = $1 and lease = $2`,
    renew: `update ${table} set lease_until = ${fromNow('$3')} where id = $1 and lease = $2`,
    purge: `with turn as materialized (select pg_try_advisory_xact_lock($2::bigint) as mine),
  old as materialized (
    select id from ${table}
    where (select mine from turn) and purge_after < clock_timestamp()
      and coalesce(greatest(marked_until, lease_until), '-infinity') < clock_timestamp()
    order by purge_after limit $1::integer for update skip locked
  ),
  gone as (delete from ${table} as kept using old where kept.id = old.id returning 1)
select case when (select mine from turn) then (select count(*)::integer from gone) end as purged`,
    check: `select id, lease, lease_until, attempt, outcome, marked_by, marked_until, purge_after from ${table} limit 0`,
  }
}

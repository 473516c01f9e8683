/** What a lock asks of its session. */
export interface LockSql {
  /**
   * $1 the key, $2 the sequence, $3 the lease in ms, $4 what the server has called its process, or null: another one takes nothing, since a
   * pooler would keep the lock. One row: the process id, and when the key was free the fencing token and the session's `idle_session_timeout`
   * as it was before it became the lease.
   */
  readonly take: string
  /** $1 the key. One row when this session has it: asked by way of what locks there are, since a pooler may have put another session here. */
  readonly confirm: string
  /** $1 the key, $2 the `idle_session_timeout` as it was before. One row that says whether it was held. */
  readonly giveBack: string
  /** $1 the sequence. One row: the server's version, whether the sequence is there, hands out one at a time and ends, and the backend's process id. */
  readonly check: string
}

/** The same for every lock: which one is a value. */
export const lockSql: LockSql = {
  take: `with taken as materialized (
  select current_setting('idle_session_timeout') as before,
    case when coalesce($4::integer, pg_backend_pid()) = pg_backend_pid() then pg_try_advisory_lock($1::bigint) end as mine
)
select pg_backend_pid() as pid, before, case when mine then nextval($2::regclass)::text end as token,
  case when mine then set_config('idle_session_timeout', ($3::bigint)::text, false) end as lease
from taken`,
  confirm: `select 1 as held from pg_locks
where locktype = 'advisory' and pid = pg_backend_pid() and granted and objsubid = 1
  and database = (select oid from pg_database where datname = current_database())
  and classid::bigint = ($1::bigint >> 32) & 4294967295 and objid::bigint = $1::bigint & 4294967295`,
  giveBack: `select pg_advisory_unlock($1::bigint) as held, set_config('idle_session_timeout', $2::text, false) as before`,
  check: `select current_setting('server_version_num')::integer as version, pg_backend_pid() as pid,
  to_regclass($1) is not null as "isThere",
  (select seqcache = 1 and not seqcycle from pg_sequence where seqrelid = to_regclass($1)) as "isFit"`,
}

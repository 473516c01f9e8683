import { literal } from '../../database/index.ts'
import { BUCKETS } from '../relay-store.ts'
import type { OutboxNames } from './outbox-table.ts'

/**
 * What a relay asks of the database: each a statement, and so a transaction, of its own. Lists are array literals in text, which every client
 * passes on alike.
 */
export interface RelaySql {
  /** $1 worker, $2 lease in ms. A row for each bucket that is held now, or one without a bucket; each with the number of workers. */
  readonly lease: string
  /** $1 buckets, $2 their epochs. */
  readonly release: string
  /** $1 worker. */
  readonly leave: string
  /** $1 buckets, $2 after which id each, $3 up to which, $4 the most rows, $5 the most bytes. */
  readonly fetch: string
  /** The last row id that was drawn, how far the log reached after that, and how far it is on the disk. */
  readonly lastRowId: string
  /** Which transactions may have written, and are still open. */
  readonly writers: string
  /** $1 buckets, $2 ids; where sent rows are kept $3 partitions, $4 offsets. */
  readonly sent: string
  /** As `sent`, and then: the worker, buckets, and the epoch of each. */
  readonly sentFenced: string
  /** $1 bucket, $2 epoch, $3 generation, $4 ids, $5 a JSON list of codes, or nulls, $6 of reasons. One row when it happened. */
  readonly setAside: string
  /** $1 buckets. */
  readonly parkedKeys: string
  /** $1 up to how many rows to count. */
  readonly statistics: string
  /** $1 the most rows, $2 a number that all who purge this table share, $3 how long rows are kept in ms. One row with how many went, null when another one purges. */
  readonly purge: string
}

/** The values of a lock that a bucket's rows are set aside and put back under: {@link asideLock} of the outbox's name. */
export function asideLock(outbox: string): string {
  return `hashtextextended('holdfast outbox set aside ' || ${literal(outbox)} || ' ' || bucket, 0)`
}

/** What is put on rows of dead workers: for so long an operator can see them. */
const DEAD_FOR = `interval '1 hour'`

/** The greatest id that a row can have. */
export const MAX_ROW_ID: bigint = 2n ** 63n - 1n

/** Makes {@link RelaySql}. The clock is the server's, so clients' clocks that differ change nothing. */
export function relaySql({ outbox, sequence, buckets, workers, sent }: OutboxNames, keepSent: boolean): RelaySql {
  const fromNow = `clock_timestamp() + $2::float8 * interval '1 millisecond'`
  // That the lists come out of a select hides their length from the planner, which would else rather read the whole table than look for each row.
  const places = 'unnest((select $1::text::smallint[]), (select $2::text::bigint[])) as s (bucket, id)'
  const records = `unnest((select $1::text::smallint[]), (select $2::text::bigint[]), (select $3::text::integer[]), (select $4::text::bigint[]))
as s (bucket, id, partition, "offset")`
  // Rows that were set aside meanwhile, by a worker who did not know that they had been sent, stay where they are: to delete them would be to let go
  // of the rows behind them, which only an operator's call can do so that no worker misses it.
  const gone = (rows: string): string =>
    `delete from ${outbox} as o using ${rows} where o.bucket = s.bucket and o.id = s.id and o.bucket >= 0`
  // Locked, so that nobody takes the bucket, and reads its rows, before they are gone; what has changed since the statement began is seen then.
  const fence = (worker: number): string => `fence as materialized (
    select b.bucket from ${buckets} as b
    join unnest($${worker + 1}::text::smallint[], $${worker + 2}::text::bigint[]) as f (bucket, epoch) on b.bucket = f.bucket
    where b.epoch = f.epoch or (b.epoch = f.epoch + 1 and b.worker = $${worker}::text)
    order by b.bucket for share of b
  )`
  const inFence = 'and o.bucket in (select bucket from fence)'
  const kept = (
    before: string,
    condition: string,
  ): string => `with ${before}gone as (${gone(records)} ${condition} returning o.id, o.previous_id, o.message_id, o.topic, o.key, s.partition, s."offset", o.enqueued_at)
insert into ${sent} (id, previous_id, message_id, topic, key, partition, "offset", enqueued_at)
select id, previous_id, message_id, topic, key, partition, "offset", enqueued_at from gone
on conflict (id) do nothing`

  const counted = (bucket: string, most: string): string => `
    select count(*)::integer as rows from (
      select from ${ALL_BUCKETS} cross join lateral (
        select from ${outbox} where bucket = ${bucket} order by bucket, id limit (select ${most})
      ) as o
      limit (select ${most})
    ) as c
  `

  return {
    // What is alive is judged at one moment, the statement's own, so that no bucket is both held and free. A row is locked before it is judged for good:
    // what has changed since the statement began is seen then. A row that has is judged anew with what it was joined to, of which PostgreSQL has a copy
    // only when that is one list made beforehand: else it would do parts of the statement again, and find their rows twice. Locks are taken in the order
    // of buckets, those of free ones without waiting.
    lease: `with life as (
    insert into ${workers} (worker, alive_until) values ($1, ${fromNow})
    on conflict (worker) do update set alive_until = excluded.alive_until returning 1
  ),
  dead as (
    delete from ${workers} where worker in (
      select worker from ${workers} where alive_until < clock_timestamp() - ${DEAD_FOR} and worker <> $1 for update skip locked
    )
  ),
  alive as materialized (
    select (select count(*) from life)::integer
      + (select count(*) from ${workers} where worker <> $1 and alive_until > statement_timestamp())::integer as workers
  ),
  own as materialized (
    select bucket from ${buckets}
    where worker = $1 and lease_until > statement_timestamp() and bucket between 0 and ${BUCKETS - 1}
    order by bucket for update
  ),
  free as materialized (
    select bucket from ${buckets}
    where (worker is null or lease_until <= statement_timestamp()) and bucket between 0 and ${BUCKETS - 1}
    limit greatest(0, (select (${BUCKETS} + workers - 1) / workers from alive) - (select count(*) from own)) for update skip locked
  ),
  wanted as materialized (select bucket, 0 as step from own union all select bucket, 1 from free),
  held as (
    update ${buckets} as b set worker = $1, epoch = b.epoch + w.step, lease_until = ${fromNow}
    from wanted as w
    where b.bucket = w.bucket and (w.step = 1 or b.lease_until > clock_timestamp()) -- it may have run out while its lock was waited for
    returning b.bucket, b.epoch, b.generation
  )
select workers, held.bucket::integer as bucket, held.epoch::text as epoch, held.generation::text as generation
from alive left join held on true`,
    release: `with given as materialized (
  select b.bucket from ${buckets} as b
  join unnest($1::text::smallint[], $2::text::bigint[]) as g (bucket, epoch) on b.bucket = g.bucket and b.epoch = g.epoch
  order by b.bucket for update of b
)
update ${buckets} as b set worker = null, lease_until = null from given where b.bucket = given.bucket`,
    leave: `with gone as (delete from ${workers} where worker = $1 returning 1),
  given as materialized (
    select bucket from ${buckets} where worker = $1 and (select count(*) from gone) >= 0 order by bucket for update
  )
update ${buckets} as b set worker = null, lease_until = null from given where b.bucket = given.bucket`,
    // The rows of each range come by themselves and in their order, and no further range is begun once there are enough. What each row has is sent
    // as one value, since a client's price is by the column; a value is read (and decompressed) only when it is known to be within the limit. The planner
    // is not to know the limits: it believes in ranges of few rows, and would read all of a range and sort them.
    fetch: `select record_send(row(bucket, id, "timestamp", partition, message_id, topic, key, headers, value)) as packed
from (
  select *, sum(size) over (rows between unbounded preceding and current row) as total
  from (
    select o.*, coalesce(octet_length(o.key), 0) + coalesce(octet_length(o.value), 0) + octet_length(o.headers) as size
    from unnest($1::text::smallint[], $2::text::bigint[], $3::text::bigint[]) as r (bucket, after, up_to)
    cross join lateral (
      select bucket, id, "timestamp", partition, message_id, topic, key, headers, value
      from ${outbox} where bucket = r.bucket and id > r.after and id <= r.up_to
      order by bucket, id limit (select $4::integer)
    ) as o
    limit (select $4::integer)
  ) as sized
) as summed
where total <= $5::bigint or total = size`,
    // The log's end after the id was read: once it is on the disk up to there, the id is not drawn again.
    lastRowId: `select (case when is_called then last_value else last_value - 1 end)::text as id,
  pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text as logged, pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::text as flushed
from ${sequence}`,
    writers: `select distinct virtualtransaction as writer from pg_locks
where locktype = 'relation' and mode = 'RowExclusiveLock' and granted
  and database = (select oid from pg_database where datname = current_database()) and relation = ${literal(outbox)}::regclass`,
    sent: keepSent ? kept('', '') : gone(places),
    sentFenced: keepSent ? kept(`${fence(5)}, `, inFence) : `with ${fence(3)}\n${gone(places)} ${inFence}`,
    // An operator's call has this lock alone and ends with another generation: waited for first, it is then seen in the bucket's row, which is read
    // as it is now, and not as it was when the statement began. A parked row that is gone, since a worker that sent it has marked it late, would leave the
    // rows behind it to nobody: rows are locked before it is judged which are there.
    setAside: `with turn as materialized (
    select bucket, pg_advisory_xact_lock_shared(${asideLock(outbox)}) from (values ($1::smallint)) as b (bucket)
  ),
  fence as materialized (
    select bucket from ${buckets}
    where bucket = (select bucket from turn) and epoch = $2::text::bigint and generation = $3::text::bigint for share
  ),
  given as materialized (
    select id, code, reason from unnest((select $4::text::bigint[]),
      array(select json_array_elements_text($5::text::json)), array(select json_array_elements_text($6::text::json))) as g (id, code, reason)
  ),
  mine as materialized (
    select o.id, o.topic, o.key, g.code, g.reason
    from fence cross join given as g join ${outbox} as o on o.bucket = fence.bucket and o.id = g.id
    order by o.id for update of o
  ),
  parked as materialized (
    select p.topic, p.key, p.id from fence join ${outbox} as p on p.bucket = -1 - fence.bucket where p.parked_at is not null
    union all select topic, key, id from mine where code is not null
  ),
  fit as materialized (
    select bucket from fence
    where not exists (select from given as g where g.code is not null and not exists (select from parked as p where p.id = g.id))
      and not exists (
        select from mine as m
        where m.code is null and not exists (select from parked as p where p.topic = m.topic and p.key = m.key)
      )
  ),
  moved as (
    update ${outbox} as o set bucket = -1 - o.bucket, parked_code = m.code, parked_reason = m.reason,
      parked_at = case when m.code is not null then clock_timestamp() end
    from fit cross join mine as m where o.bucket = fit.bucket and o.id = m.id
  )
select bucket::integer as bucket from fit`,
    parkedKeys: `select -1 - bucket as bucket, topic, key, min(id)::text as id from ${outbox}
where parked_at is not null and key is not null and bucket = any (select -1 - b from unnest($1::text::smallint[]) as b)
group by bucket, topic, key`,
    // Bucket by bucket, in the order of the index, so that neither what waits is read to count what is set aside nor the other way round.
    statistics: `with parked as materialized (
    select count(*)::integer as rows from (select from ${outbox} where parked_at is not null limit $1::integer) as p
  ),
  waiting as materialized (${counted('b.bucket', '$1::integer + 1')}),
  aside as materialized (${counted('-1 - b.bucket', '$1::integer + (select rows from parked)')})
select waiting.rows as waiting, parked.rows as parked, greatest(0, aside.rows - parked.rows) as behind,
  case when waiting.rows > 0 then (
    select extract(epoch from clock_timestamp() - min(o.enqueued_at))::float8 * 1000
    from ${ALL_BUCKETS} cross join lateral (
      select enqueued_at from ${outbox} where bucket = b.bucket order by bucket, id limit 1
    ) as o
  ) end as age
from waiting, parked, aside`,
    purge: `with turn as materialized (select pg_try_advisory_xact_lock($2::bigint) as mine),
  old as materialized (
    select id from ${sent}
    where (select mine from turn) and sent_at < clock_timestamp() - $3::float8 * interval '1 millisecond'
    order by sent_at limit $1::integer for update skip locked
  ),
  gone as (delete from ${sent} as kept using old where kept.id = old.id returning 1)
select case when (select mine from turn) then (select count(*)::integer from gone) end as purged`,
  }
}

const ALL_BUCKETS = `generate_series(0, ${BUCKETS - 1}) as b (bucket)`

import type { ParkedSelection } from '../outbox-operations.ts'
import type { OutboxNames } from './outbox-table.ts'
import { asideLock } from './relay-sql.ts'

/** What operators' calls ask of the database. Those that change something are steps of one transaction, in this order. */
export interface OperationsSql {
  /** $1 topic, or null, $2 the most rows. */
  readonly list: string
  /** Each step has to see what was committed while it waited for the one before. */
  readonly isolation: string
  /** $1 what was selected. Where there are such rows. */
  readonly buckets: string
  /** $1 buckets. From here on no relay sets anything aside in them. */
  readonly lock: string
  /** $1 what was selected, $2 buckets. One row that counts. */
  readonly retry: string
  /** $1 what was selected, $2 buckets. One row that counts. */
  readonly discard: string
  /** $1 buckets. */
  readonly generations: string
}

const WHERE: Readonly<Record<ParkedSelection['kind'], string>> = {
  message: 'message_id = $1::text',
  topic: 'topic = $1::text',
  all: '$1::text is null',
}

/** Makes {@link OperationsSql}. */
export function operationsSql(
  { outbox, buckets, sent }: OutboxNames,
  keepSent: boolean,
  kind: ParkedSelection['kind'],
): OperationsSql {
  const selected = `parked_at is not null and ${WHERE[kind]}`
  const given = 'unnest($2::text::smallint[]) as g'
  // What is chosen, and for keys that another parked row holds the first of these: what comes behind it stays.
  const chosen = `chosen as materialized (
    select bucket, id from ${outbox} where ${selected} and bucket = any (select -1 - g from ${given})
  ),
  held as materialized (
    select bucket, topic, key, min(id) as id from ${outbox} as p
    where parked_at is not null and key is not null and bucket = any (select -1 - g from ${given})
      and not exists (select from chosen as c where c.bucket = p.bucket and c.id = p.id)
    group by bucket, topic, key
  ),
  rows as materialized (
    select o.bucket, o.id, c.id is not null as parked, h.id is null or o.id < h.id as free
    from ${outbox} as o
    left join chosen as c on c.bucket = o.bucket and c.id = o.id
    left join held as h on h.bucket = o.bucket and h.topic = o.topic and h.key = o.key
    where o.bucket = any (select -1 - g from ${given}) and (c.id is not null or (o.parked_at is null and (h.id is null or o.id < h.id)))
  )`

  return {
    list: `with parked as materialized (
    select *, coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) + octet_length(headers) as bytes
    from ${outbox} where parked_at is not null and ($1::text is null or topic = $1::text) order by id limit $2::integer
  ),
  waiting as (
    select p.id, count(*)::integer as rows from parked as p
    join ${outbox} as b on b.bucket = p.bucket and b.topic = p.topic and b.key = p.key and b.parked_at is null
    group by p.id
  )
select p.id::text as row, p.message_id as message, p.topic, p.key, p.bytes,
  extract(epoch from p.enqueued_at)::float8 * 1000 as enqueued, extract(epoch from p.parked_at)::float8 * 1000 as parked,
  p.parked_code as code, p.parked_reason as reason, coalesce(w.rows, 0) as behind
from parked as p left join waiting as w on w.id = p.id order by p.id`,
    isolation: 'set transaction isolation level read committed',
    buckets: `select distinct -1 - bucket as bucket from ${outbox} where ${selected}`,
    lock: `with locked as materialized (
    select pg_advisory_xact_lock(${asideLock(outbox)})
    from (select bucket from unnest($1::text::smallint[]) as b (bucket) order by bucket) as b
  )
select count(*)::integer as locked from locked`,
    retry: `with ${chosen},
  moved as (
    update ${outbox} as o set bucket = case when r.free then -1 - o.bucket else o.bucket end,
      parked_at = null, parked_code = null, parked_reason = null
    from rows as r where o.bucket = r.bucket and o.id = r.id
    returning r.parked
  )
select count(*) filter (where parked)::integer as parked, count(*) filter (where not parked)::integer as released from moved`,
    discard: `with ${chosen},
  gone as (
    delete from ${outbox} as o using rows as r where o.bucket = r.bucket and o.id = r.id and r.parked
    returning o.id, o.previous_id, o.message_id, o.topic, o.key, o.enqueued_at
  ),
  moved as (
    update ${outbox} as o set bucket = -1 - o.bucket from rows as r
    where o.bucket = r.bucket and o.id = r.id and not r.parked
    returning 1
  )${
    keepSent
      ? `,
  kept as (
    insert into ${sent} (id, previous_id, message_id, topic, key, enqueued_at)
    select id, previous_id, message_id, topic, key, enqueued_at from gone on conflict (id) do nothing
  )`
      : ''
  }
select (select count(*) from gone)::integer as parked, (select count(*) from moved)::integer as released`,
    generations: `with locked as materialized (
    select bucket from ${buckets} where bucket = any ($1::text::smallint[]) order by bucket for update
  )
update ${buckets} as b set generation = b.generation + 1 from locked where b.bucket = locked.bucket`,
  }
}

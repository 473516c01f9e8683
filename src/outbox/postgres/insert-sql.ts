import { literal } from '../../database/index.ts'
import type { LockClasses } from './lock-classes.ts'
import type { OutboxNames } from './outbox-table.ts'

/** What an enqueue says to the database: one statement, or two of which the first locks. */
export interface InsertSql {
  /** One row of a key: $1 to $8 the row, $9 the key's number. */
  readonly lockAndInsertOne: string
  /** One row that needs no lock: $1 to $8 the row. */
  readonly insertOne: string
  /** Rows: $1 to $8 their columns, $9 buckets and $10 keys to be locked, each in order. */
  readonly lockAndInsertMany: string
  /** Rows: $1 to $8 their columns, $9 buckets to be locked alone, in order. */
  readonly lockBucketsAndInsertMany: string
  /** Rows that need no lock: $1 to $8 their columns. */
  readonly insertMany: string
  /** $1 the token, $2 buckets and $3 keys to be locked, each in order. Says the token to what follows in the same transaction, and to nobody else. */
  readonly lock: string
  /** $1 the token, $2 buckets to be locked alone, in order. */
  readonly lockBuckets: string
  /** One row, after {@link InsertSql.lock}: $1 to $8 the row, $9 the token. One row of answer when it was stored. */
  readonly insertOneLocked: string
  /** Rows, after {@link InsertSql.lock}: $1 to $8 their columns, $9 the token. One row: how many were stored. */
  readonly insertManyLocked: string
}

/** What decides how an enqueue is said. */
export interface InsertSqlOptions {
  readonly names: OutboxNames
  readonly locks: LockClasses
  readonly notify: boolean
  /** Rows point at the one before them of their key. */
  readonly keepSent: boolean
}

const COLUMNS = 'bucket, message_id, topic, key, value, headers, "timestamp", partition'
const ONE = '$1::smallint, $2::text, $3::text, $4::bytea, $5::bytea, $6::bytea, $7::bigint, $8::integer'
/** Where each is the value of its column, which gives it its type; `bucket` is also locked. */
const VALUES = '$1::smallint, $2, $3, $4, $5, $6, $7, $8'
const MANY =
  'unnest($1::smallint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[], $8::integer[]) with ordinality'
const TOKEN = "current_setting('holdfast.outbox', true)"

/**
 * Makes {@link InsertSql}.
 *
 * In each of them a lock is held before `nextval` is called: by a `case`, by a query that has to bring a row first, or by a statement
 * before. `unnest` brings an array's elements in their order, so locks are taken in it; `case` and the second query, which needs the first one's row,
 * take the bucket's before the key's.
 *
 * One row alone is `values`, with no type said twice: the server parses each anew, and one `select` that says the same costs it a tenth more.
 */
export function insertSql({ names, locks, notify, keepSent }: InsertSqlOptions): InsertSql {
  const { outbox } = names
  const tell = `pg_notify(${literal(channelOf(names))}, '') is not null`
  const nextId = `nextval(${literal(names.sequence)}::regclass)`
  const andTell = (conditions: readonly string[]): readonly string[] => (notify ? [...conditions, tell] : conditions)
  const where = (...conditions: readonly string[]): string => {
    const all = andTell(conditions)
    return all.length === 0 ? '' : `\nwhere ${all.join(' and ')}`
  }
  const insertOne = (...conditions: readonly string[]): string => {
    const id = andTell(conditions).reduceRight((then, condition) => `case when ${condition} then ${then} end`, nextId)
    return `insert into ${outbox} (id, ${COLUMNS})\nvalues (${id}, ${VALUES})`
  }
  const insertOneIf = (condition: string, previous: string | null): string =>
    `insert into ${outbox} (${COLUMNS}${previous === null ? '' : ', previous_id'})
select ${ONE}${previous === null ? '' : `, ${previous}`}${where(condition)}`
  const insertMany = (from: string, condition: string | null): string =>
    `insert into ${outbox} (${COLUMNS})
select ${COLUMNS} from ${from}${MANY} as m(${COLUMNS}, n)${where(...(condition === null ? [] : [condition]))}
order by n`

  const lockKeys = (buckets: string, keys: string): string =>
    `with buckets as materialized (
  select count(pg_advisory_xact_lock_shared(${locks.buckets}, b)) from unnest(${buckets}::integer[]) as b
), held as materialized (
  select count(pg_advisory_xact_lock(${locks.keys}, k)) from buckets, unnest(${keys}::integer[]) as k
)`
  const lockBuckets = (buckets: string): string =>
    `with held as materialized (
  select count(pg_advisory_xact_lock(${locks.buckets}, b)) from unnest(${buckets}::integer[]) as b
)`
  const say = "select set_config('holdfast.outbox', $1::text, true) as token, held.count::integer as held from held"
  const lockBucketOfOne = `pg_advisory_xact_lock_shared(${locks.buckets}, $1::smallint) is not null`
  const lockKeyOfOne = `pg_advisory_xact_lock(${locks.keys}, $9::integer) is not null`

  return {
    lockAndInsertOne: insertOne(lockBucketOfOne, lockKeyOfOne),
    insertOne: insertOne(),
    lockAndInsertMany: `${lockKeys('$9', '$10')}\n${insertMany('held, ', null)}`,
    lockBucketsAndInsertMany: `${lockBuckets('$9')}\n${insertMany('held, ', null)}`,
    insertMany: insertMany('', null),
    lock: `${lockKeys('$2', '$3')}\n${say}`,
    lockBuckets: `${lockBuckets('$2')}\n${say}`,
    insertOneLocked: `${insertOneIf(`${TOKEN} = $9::text`, keepSent ? previousId(names, '$3::text', '$4::bytea') : null)}
returning 1 as stored`,
    insertManyLocked: keepSent ? insertManyWithPrevious(names, where) : counted(insertMany('', `${TOKEN} = $9::text`)),
  }
}

/** Rows point at the one before them of their key: of this very call, else the last of those that are there. */
function insertManyWithPrevious(names: OutboxNames, where: (...conditions: readonly string[]) => string): string {
  return counted(
    `insert into ${names.outbox} (id, ${COLUMNS}, previous_id)
select id, ${COLUMNS}, coalesce(
  case when key is not null then lag(id) over (partition by topic, key order by n) end,
  ${previousId(names, 'drawn.topic', 'drawn.key')}
) from drawn
order by n`,
    `drawn as materialized (
  select nextval(${literal(names.sequence)}) as id, given.* from (
    select * from ${MANY} as m(${COLUMNS}, n)${where(`${TOKEN} = $9::text`)} order by n
  ) as given
), `,
  )
}

function counted(insert: string, before = ''): string {
  return `with ${before}stored as (
${insert}
returning 1
)
select count(*)::integer as stored from stored`
}

/**
 * The last row of a key that this statement sees. The lock is held, so nobody adds one; and at read committed a statement sees all that was
 * committed before it, so it is the last there is. At a higher level it may see too little: then nothing is said.
 */
function previousId({ outbox, sent }: OutboxNames, topic: string, key: string): string {
  const last = (table: string): string =>
    `(select max(p.id) from ${table} as p where p.topic = ${topic} and sha256(p.key) = sha256(${key}))`
  return `case when current_setting('transaction_isolation') like 'read %' then greatest(${last(outbox)}, ${last(sent)}) end`
}

/** `pg_notify` takes the name itself, and no identifier. */
function channelOf({ channel }: OutboxNames): string {
  return channel.slice(1, -1).replaceAll('""', '"')
}

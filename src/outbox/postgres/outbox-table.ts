import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { literal, nameProblems, nameWithin, quoted } from '../../database/index.ts'
import { unknownOptions } from '../../options/index.ts'
import { BUCKETS } from '../relay-store.ts'

/** Where an outbox lies. */
export interface OutboxTable {
  /** @defaultValue `public` */
  readonly schema?: string
  /** The table of waiting rows; what belongs to it is named after it. @defaultValue `holdfast_outbox` */
  readonly table?: string
}

/** What {@link outboxTableSql} makes. */
export interface OutboxTableSqlOptions extends OutboxTable {
  /** Also what keeps rows that were sent, for an audit: needed where `keepSentMs` is set. @defaultValue `false` */
  readonly keepSent?: boolean
}

/** The names of an outbox, as SQL takes them. */
export interface OutboxNames {
  readonly schema: string
  /** Rows that wait, and those that were set aside. */
  readonly outbox: string
  /** Draws row ids. */
  readonly sequence: string
  /** Who may send the rows of which bucket. */
  readonly buckets: string
  /** Which workers are alive. */
  readonly workers: string
  /** Rows that were sent, where they are kept. */
  readonly sent: string
  /** Where commits are told. */
  readonly channel: string
}

const TABLE = 'holdfast_outbox'

/** What is wrong with the names. */
export function outboxTableProblems({ schema, table }: OutboxTable): Problem[] {
  return [
    ...(schema === undefined ? [] : nameProblems('schema', schema)),
    ...(table === undefined ? [] : nameProblems('table', table)),
  ]
}

/** The names of an outbox. */
export function outboxNames({ schema = 'public', table = TABLE }: OutboxTable): OutboxNames {
  const named = (ending: string): string => `${quoted(schema)}.${quoted(nameWithin(table, ending))}`
  return {
    schema: quoted(schema),
    outbox: `${quoted(schema)}.${quoted(table)}`,
    sequence: named('_id'),
    buckets: named('_bucket'),
    workers: named('_worker'),
    sent: named('_sent'),
    channel: quoted(nameWithin(table, '')),
  }
}

/**
 * The SQL that makes an outbox, or leaves the one that is there. Making it takes no lock that a service would wait for.
 *
 * Row ids are drawn one at a time (`cache 1`): sessions with a stock of their own would give a later row of a key the smaller id. Waiting rows
 * lie at their bucket, those set aside at −1 − bucket, so that a scan of what waits never meets them; the primary key is the only index that
 * an insert has to keep: that of parked rows has no others in it, so that they are found among many that wait behind them.
 *
 * @throws HOLDFAST_CONFIG_INVALID when a name is none: PostgreSQL would cut it without a word.
 */
export function outboxTableSql(options: OutboxTableSqlOptions = {}): string {
  const { keepSent = false, ...where } = options
  const problems = [...outboxTableProblems(where), ...unknownOptions(where, ['schema', 'table'])]
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'postgresOutboxSql: options do not fit', { problems })
  const { outbox, sequence, buckets, workers } = outboxNames(where)
  const { table = TABLE } = where
  return `create sequence if not exists ${sequence} as bigint cache 1 no cycle;
create table if not exists ${outbox} (
  bucket smallint not null,      -- of the key: 0 to ${BUCKETS - 1}; -1 - bucket: set aside
  id bigint not null default nextval(${literal(sequence)}),
  message_id text not null,
  topic text not null,
  key bytea,                     -- null: the topic has no keys
  value bytea,                   -- null: a tombstone
  headers bytea not null,        -- names and values, as src/outbox/postgres/header-bytes.ts has them
  "timestamp" bigint not null,   -- ms since the epoch
  partition integer,             -- where the sender named one
  previous_id bigint,            -- the row before it of its key, where sent rows are kept
  enqueued_at timestamptz not null default clock_timestamp(),
  parked_at timestamptz,         -- with a code and a reason: Kafka has refused it; set aside without: it waits behind such a row of its key
  parked_code text,
  parked_reason text,
  primary key (bucket, id)
) with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);
create index if not exists ${quoted(nameWithin(table, '_parked'))} on ${outbox} (bucket, id) where parked_at is not null;
create table if not exists ${buckets} (
  bucket smallint primary key,
  worker text,
  epoch bigint not null default 0,
  generation bigint not null default 0,
  lease_until timestamptz
) with (fillfactor = 50);
insert into ${buckets} (bucket) select generate_series(0, ${BUCKETS - 1}) on conflict do nothing;
create table if not exists ${workers} (
  worker text primary key,
  alive_until timestamptz not null
) with (fillfactor = 50);
${keepSent ? sentSql(where) : ''}`
}

function sentSql(where: OutboxTable): string {
  const { outbox, sent } = outboxNames(where)
  const { table = TABLE } = where
  return `create table if not exists ${sent} (
  id bigint primary key,
  previous_id bigint,
  message_id text not null,
  topic text not null,
  key bytea,
  partition integer,             -- null: it was discarded
  "offset" bigint,
  enqueued_at timestamptz not null,
  sent_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.05);
create index if not exists ${quoted(nameWithin(table, '_sent_at'))} on ${sent} (sent_at);
create index if not exists ${quoted(nameWithin(table, '_sent_key'))} on ${sent} (topic, sha256(key), id);
create index if not exists ${quoted(nameWithin(table, '_key'))} on ${outbox} (topic, sha256(key), id);
`
}

/** What to do about an outbox that is not there. */
export function outboxIsMissing(where: OutboxTable): string {
  return `${outboxNames(where).outbox} is not there, or is not as this version needs it: make it with holdfast postgres migrate --outbox, or postgresOutboxSql()`
}

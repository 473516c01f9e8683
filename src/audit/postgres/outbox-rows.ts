import { nameProblems, nameWithin, quoted } from '../../database/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { AuditFact, AuditScope, AuditSource } from '../audit-source.ts'
import type { AuditConnection } from './audit-connection.ts'
import { askFor, connectionProblems } from './audit-connection.ts'

/** Which rows of an outbox. */
export interface OutboxRowsOptions {
  /** Those of this topic. */
  readonly topic: string
  /** @defaultValue `public` */
  readonly schema?: string
  /** @defaultValue `holdfast_outbox` */
  readonly table?: string
  /**
   * By how much, at most, a row was sent before one of a smaller id, in milliseconds: so close to the oldest row that is kept nobody knows whether a predecessor was
   * lost, or deleted with its age. 0 or more.
   *
   * @defaultValue `30_000`
   */
  readonly sentWithinMs?: number
}

/** Rows of a page. */
const PAGE = 5_000

/**
 * The rows of an outbox: those that wait, those that were set aside, and those that were sent, where the outbox keeps them (`keepSentMs`). All as they were at one
 * moment, in a read-only transaction that sees nothing else: it is open for as long as the reading takes, which keeps nobody waiting, and VACUUM
 * from what is deleted meanwhile.
 *
 * Where sent rows are not kept only those that wait can be judged.
 *
 * @throws HOLDFAST_CONFIG_INVALID. While it is read: HOLDFAST_CONFIG_INVALID when the outbox is not there, HOLDFAST_STORE_UNAVAILABLE
 */
export function outboxRows(connection: AuditConnection, options: OutboxRowsOptions): AuditSource {
  const { topic, schema = 'public', table = 'holdfast_outbox', sentWithinMs = 30_000 } = options
  const problems = [
    ...connectionProblems(connection),
    ...nameProblems('schema', schema),
    ...nameProblems('table', table),
    ...(typeof topic === 'string' && topic !== '' ? [] : [{ path: 'topic', message: 'must be the name of a topic' }]),
    ...(Number.isFinite(sentWithinMs) && sentWithinMs >= 0
      ? []
      : [{ path: 'sentWithinMs', message: 'must be a number of 0 or more' }]),
  ]
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'outboxRows: options do not fit', { problems })
  const outbox = `${quoted(schema)}.${quoted(table)}`
  const sent = `${quoted(schema)}.${quoted(nameWithin(table, '_sent'))}`
  const ask = <Row>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    askFor<Row>(connection, outbox, text, values)

  return {
    kind: 'facts',
    name: `outbox ${schema}.${table}, topic ${topic}`,
    places: 'rows',
    keyed: true,
    async *read(scope) {
      await ask('begin isolation level repeatable read read only')
      try {
        const keepsSent = await tellWhatIsKept(ask, { outbox, sent, sentWithinMs }, scope)
        yield* waitingRows(ask, outbox, topic, keepsSent, scope)
        if (keepsSent) yield* sentRows(ask, sent, topic, scope)
      } finally {
        await connection.query('rollback', []).catch(() => {}) // nothing was written; a connection that broke has none
      }
    },
  }
}

type Ask = <Row>(text: string, values?: readonly unknown[]) => Promise<readonly Row[]>

/** @returns whether sent rows are kept */
async function tellWhatIsKept(
  ask: Ask,
  { outbox, sent, sentWithinMs }: { readonly outbox: string; readonly sent: string; readonly sentWithinMs: number },
  { tell }: AuditScope,
): Promise<boolean> {
  const [now] = await ask<{ at: number; keeps: boolean; rows: number }>(
    `select ${ms('clock_timestamp()')} as at, to_regclass($2) is not null as keeps,
  (select coalesce(sum(greatest(reltuples, 0)), 0)::float8 from pg_class where oid in (to_regclass($1), to_regclass($2))) as rows`,
    [outbox, sent],
  )
  tell({ kind: 'as-of', atMs: now!.at })
  tell({ kind: 'expected', facts: now!.rows })
  if (!now!.keeps) {
    tell({ kind: 'whole-since', atMs: null })
    return false
  }
  const [kept] = await ask<{ since: number | null; last: string | null }>(
    `with oldest as (select min(sent_at) as at from ${sent})
select ${ms('(select at from oldest)')} as since,
  (select max(id)::text from ${sent} where sent_at <= (select at from oldest) + $1::float8 * interval '1 millisecond') as last`,
    [sentWithinMs],
  )
  tell({ kind: 'whole-since', atMs: kept!.since })
  if (kept!.last !== null) tell({ kind: 'chain-whole-after', order: BigInt(kept!.last) })
  return true
}

interface WaitingRow {
  readonly bucket: number
  /** As text, and of another name than its column: to order by `id` would else order texts. */
  readonly row_id: string
  readonly previous: string | null
  readonly message_id: string
  readonly key: Uint8Array | null
  readonly at: number
}

async function* waitingRows(
  ask: Ask,
  outbox: string,
  topic: string,
  keepsSent: boolean,
  { sinceMs, untilMs }: AuditScope,
): AsyncGenerator<readonly AuditFact[]> {
  const text = `select bucket, id::text as row_id, previous_id::text as previous, message_id, key, ${ms('enqueued_at')} as at
from ${outbox} where (bucket, id) > ($1::smallint, $2::bigint) and topic = $3 ${within('$4', '$5')}
order by bucket, id limit ${PAGE}`
  for (let after: readonly [number, string] = [-32_768, '-1']; ;) {
    const rows = await ask<WaitingRow>(text, [...after, topic, sinceMs, untilMs])
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(({ bucket, row_id, previous, message_id, key, at }) => ({
      id: message_id,
      key,
      line: 0,
      order: BigInt(row_id),
      atMs: at,
      state: bucket < 0 ? 'parked' : 'due',
      ...(keepsSent && { previous: previous === null ? null : BigInt(previous) }),
    }))
    after = [last.bucket, last.row_id]
  }
}

interface KeptRow extends Omit<WaitingRow, 'bucket'> {
  readonly partition: number | null
  readonly offset: string | null
}

async function* sentRows(
  ask: Ask,
  sent: string,
  topic: string,
  { sinceMs, untilMs }: AuditScope,
): AsyncGenerator<readonly AuditFact[]> {
  const text = `select id::text as row_id, previous_id::text as previous, message_id, key, partition, "offset"::text as "offset", ${ms('enqueued_at')} as at
from ${sent} where id > $1::bigint and topic = $2 ${within('$3', '$4')}
order by id limit ${PAGE}`
  for (let after = '-1'; ;) {
    const rows = await ask<KeptRow>(text, [after, topic, sinceMs, untilMs])
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(({ row_id, previous, message_id, key, partition, offset, at }) => ({
      id: message_id,
      key,
      line: 0,
      order: BigInt(row_id),
      atMs: at,
      state: partition === null ? 'discarded' : 'sent',
      previous: previous === null ? null : BigInt(previous),
      ...(partition !== null && offset !== null && { acknowledged: { partition, offset: BigInt(offset) } }),
    }))
    after = last.row_id
  }
}

function ms(time: string): string {
  return `(extract(epoch from ${time}) * 1000)::float8`
}

function within(since: string, until: string): string {
  const at = (parameter: string): string => `to_timestamp(${parameter}::float8 / 1000)`
  return `and (${since}::float8 is null or enqueued_at >= ${at(since)}) and (${until}::float8 is null or enqueued_at < ${at(until)})`
}

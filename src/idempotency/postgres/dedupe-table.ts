import { nameProblems, nameWithin, quoted } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { unknownOptions } from '../../options/index.ts'
import { storeRefusals } from '../store-refusals.ts'

/** Where the marks lie. */
export interface DedupeTable {
  /** @defaultValue `public` */
  readonly schema?: string
  /** @defaultValue `holdfast_dedupe` */
  readonly table?: string
}

/** What is wrong with the names. */
export function tableProblems({ schema, table }: DedupeTable): Problem[] {
  return [
    ...(schema === undefined ? [] : nameProblems('schema', schema)),
    ...(table === undefined ? [] : nameProblems('table', table)),
  ]
}

/** The table as SQL names it. */
export function qualified({ schema = 'public', table = 'holdfast_dedupe' }: DedupeTable): string {
  return `${quoted(schema)}.${quoted(table)}`
}

/** So many milliseconds from now, by the server's clock. @param ms - an expression, such as `$3` */
export function fromNow(ms: string): string {
  return `clock_timestamp() + ${ms}::float8 * interval '1 millisecond'`
}

/**
 * The SQL that makes the table, or leaves the one that is there. Making it takes no lock that a service would wait for. Run again on a table in
 * use it waits for the transactions that write to it, and others behind it, to find the index there: `holdfast postgres migrate` looks first.
 *
 * A row is written twice in its life, and neither write changes an indexed column: with a fifth of each page left free the second stays
 * on its page, and no index grows by it.
 *
 * @throws HOLDFAST_CONFIG_INVALID when a name is none: PostgreSQL would cut it without a word.
 */
export function dedupeTableSql(where: DedupeTable): string {
  const problems = [...tableProblems(where), ...unknownOptions(where, ['schema', 'table'])]
  if (problems.length > 0) throw storeRefusals.unfitOptions('postgresDedupeSql', problems)
  const index = quoted(nameWithin(where.table ?? 'holdfast_dedupe', '_purge'))
  return `create table if not exists ${qualified(where)} (
  id bytea primary key,          -- SHA-256 of group, handler and message id
  lease text,                    -- who works on it; stands there when it has run out, too
  lease_until timestamptz,
  attempt integer not null,      -- of that lease; without one, how many have come to nothing
  outcome text check (outcome in ('handled', 'parked')),
  marked_by text,                -- the lease under which it was done
  marked_until timestamptz,      -- how long that is remembered
  purge_after timestamptz not null
) with (fillfactor = 80);
create index if not exists ${index} on ${qualified(where)} (purge_after);
`
}

/** What to do about a table that is not there. */
export function tableIsMissing(where: DedupeTable): string {
  return `${qualified(where)} is not there, or is not as this version needs it: make it with holdfast postgres migrate, or postgresDedupeSql()`
}

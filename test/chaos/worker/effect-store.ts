import pg from 'pg'
import type { ConsumerConfig } from './worker-config.ts'

/** One effect: a row in the database, which is the judge of what has happened. */
export interface EffectRow {
  readonly value: string
  readonly key: string | null
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly epoch: number
}

/** Where a worker's handlers have their effects. */
export interface EffectStore {
  /**
   * Resolves when it is committed; false when the mark was there already, and nothing was written. In an inbox' transaction it is written
   * through that, and is committed with it.
   */
  write(effect: EffectRow, tx?: pg.ClientBase): Promise<boolean>
  isDownstreamOut(): Promise<boolean>
  close(): Promise<void>
}

/** Tables of a run. The sequence of `effects` is the order in which the database took them. */
export const EFFECT_TABLES = `
  create table if not exists effects (
    seq bigserial primary key, grp text not null, value text not null, key text, topic text not null,
    partition int not null, "offset" bigint not null, proc text not null, epoch int not null);
  create index if not exists effects_grp on effects (grp);
  create table if not exists marks (grp text not null, value text not null, primary key (grp, value));
  create table if not exists outages (grp text primary key);`

// One statement is one transaction that begins and ends in the server: a process that is stopped or killed on the way holds no lock
// that others wait for, and there is no mark without its effect.
const WRITE_PLAIN = `
  insert into effects (grp, value, key, topic, partition, "offset", proc, epoch) values ($1, $2, $3, $4, $5, $6, $7, $8)`
const WRITE_ONCE = `
  with mark as (insert into marks (grp, value) values ($1, $2) on conflict do nothing returning 1)
  insert into effects (grp, value, key, topic, partition, "offset", proc, epoch)
  select $1, $2, $3, $4, $5::int, $6::bigint, $7, $8::int from mark`

/** Opens an {@link EffectStore}; the tables are there. */
export function openEffectStore({ databaseUrl, group, proc, effects, dedupe }: ConsumerConfig): EffectStore {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 8 })
  pool.on('error', () => undefined) // a broken idle connection is replaced at its next use
  // A mark of the handler's own would hide what a store lets through.
  const isMarked = effects === 'marked' && (dedupe.kind === 'none' || dedupe.kind === 'memory')
  const text = isMarked ? WRITE_ONCE : WRITE_PLAIN
  return {
    async write({ value, key, topic, partition, offset, epoch }, tx) {
      const values = [group, value, key, topic, partition, String(offset), proc, epoch]
      const { rowCount } = await (tx ?? pool).query({ name: 'effect', text, values })
      return rowCount === 1
    },
    async isDownstreamOut() {
      const { rowCount } = await pool.query({
        name: 'outage',
        text: 'select 1 from outages where grp = $1',
        values: [group],
      })
      return rowCount === 1
    },
    close: () => pool.end(),
  }
}

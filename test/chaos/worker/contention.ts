import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase } from 'pg'

/**
 * What handlers of different keys do to each other within their transactions. `crossed`: each takes two rows, in an order that its key decides,
 * so that some wait for each other. `skewed`: each reads two rows and writes one, which serializable transactions may not do side by side.
 * `impatient`: each takes a row, and waits for it for a tenth of a second at most.
 */
export type Contention = 'crossed' | 'skewed' | 'impatient'

/** Rows that are taken two by two. */
const PAIRS = 20
/** Between the first row and the second: long enough for somebody to come in between. */
const BETWEEN_MS = 20

/** Counts how often each row was taken. */
export const CONTENTION_TABLE: string = `
  create table if not exists stock (id int primary key, taken int not null default 0);
  insert into stock select n, 0 from generate_series(0, ${2 * PAIRS - 1}) as n on conflict do nothing;`

/** How much each effect has added to the sum of `taken`, if it was had once. */
export function takenByOne(contention: Contention): number {
  return contention === 'crossed' ? 2 : 1
}

/** Does it. Rejects with what the database says: the transaction is then to be repeated. */
export async function contend(contention: Contention, tx: ClientBase, key: string | null): Promise<void> {
  const drawn = createHash('sha256').update(String(key)).digest()
  const pair = drawn.readUInt16BE(0) % PAIRS
  const rows = [2 * pair, 2 * pair + 1] as const
  const [first, second] = drawn.readUInt16BE(2) % 2 === 0 ? rows : ([rows[1], rows[0]] as const)
  const take = (id: number): Promise<unknown> => tx.query('update stock set taken = taken + 1 where id = $1', [id])
  switch (contention) {
    case 'crossed':
      await take(first)
      await sleep(BETWEEN_MS)
      await take(second)
      break
    case 'skewed':
      await tx.query('select sum(taken) from stock where id = any($1::int[])', [[...rows]])
      await sleep(BETWEEN_MS)
      await take(first)
      break
    case 'impatient':
      await tx.query(`set local lock_timeout = '100ms'`)
      await take(first)
  }
}

import type pg from 'pg'

/** A message that a transaction has enqueued. */
export interface JudgedMessage {
  readonly id: string
  readonly key: string
}

/**
 * Which messages were committed, and in which order those of a key: rows of the same transaction, in the same database. `seq` counts the messages of a
 * key without a hole, since whoever draws one holds the key's row until its transaction has ended.
 */
export const JUDGE_TABLES = `
  create table chaos_counters (key text primary key, seq bigint not null);
  create table chaos_messages (id text primary key, key text not null, seq bigint not null, txn text not null, unique (key, seq));`

// Numbers are drawn after the enqueue: were they drawn before, the counter's row lock would make the order that the outbox has to make by itself.
const NUMBER = `
  with given as (select * from unnest($1::text[], $2::text[], $3::bigint[]) as g (id, key, nth)),
    counted as (select key, max(nth) as messages from given group by key order by key),
    drawn as (
      insert into chaos_counters as c (key, seq) select key, messages from counted
      on conflict (key) do update set seq = c.seq + excluded.seq returning c.key, c.seq)
  insert into chaos_messages (id, key, seq, txn)
  select given.id, given.key, drawn.seq - counted.messages + given.nth, $4 from given join counted using (key) join drawn using (key)`

/** Writes down what a transaction has enqueued, in the order given: there when it commits. */
export async function numberMessages(
  client: pg.ClientBase,
  txn: string,
  messages: readonly JudgedMessage[],
): Promise<void> {
  const counts = new Map<string, number>()
  const nth = messages.map(({ key }) => {
    const next = (counts.get(key) ?? 0) + 1
    counts.set(key, next)
    return next
  })
  const values = [messages.map(({ id }) => id), messages.map(({ key }) => key), nth, txn]
  await client.query({ name: 'number', text: NUMBER, values })
}

import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { createConsumer, defineTopic, memoryDedupeStore } from 'holdfast'
import type { DedupeStore } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { postgresDedupeSql, postgresDedupeStore, postgresInbox } from 'holdfast/postgres'
import { redisDedupeStore } from 'holdfast/redis'
import type { ConsumerSpec, Servers } from './consumer-spec.ts'
import { IO_MS } from './consumer-spec.ts'
import type { Counter } from './counter.ts'
import { orderJson } from './records.ts'

/** Connections beside those of handlers: an inbox needs two. */
const SPARE = 2

/** One run of Holdfast with what recognises duplicates, or without it in the same surroundings. */
export async function consumeOnce(
  { brokers, topic, concurrency = 1, handler, guard, delivery, effect = false, batch }: ConsumerSpec,
  servers: Servers,
  group: string,
  counter: Counter,
): Promise<void> {
  const pool = new pg.Pool({ connectionString: servers.postgres, max: concurrency + SPARE })
  await pool.query(postgresDedupeSql({}))
  await pool.query('create table if not exists effects (id text, place text)')
  const redis = new Redis(servers.redis)
  const stores: Readonly<Record<string, () => DedupeStore>> = {
    memory: () => memoryDedupeStore({ maxEntries: 1_000_000 }),
    redis: () => redisDedupeStore(redis),
    postgres: () => postgresDedupeStore(pool),
  }
  const consumer = createConsumer({
    driver: kafkajsDriver({ clientId: 'bench', brokers: [...brokers] }),
    groupId: group,
    concurrency,
  })
  const declared = defineTopic({ name: topic, codec: orderJson })
  const store = guard === undefined ? undefined : stores[guard]?.()
  const common = {
    deadLetter: false,
    onExhausted: delivery === 'at-most-once' ? 'skip' : 'pause',
    ...(delivery !== undefined && { delivery }),
    ...(store !== undefined && { dedupe: { store } }),
  } as const
  type Writer = Pick<pg.PoolClient, 'query'>
  const write = (to: Writer, ids: readonly string[]): Promise<unknown> =>
    to.query('insert into effects select id, $2 from unnest($1::text[]) as id', [ids, group])
  const one = async (id: string, to: Writer): Promise<void> => {
    if (effect) await write(to, [id])
    if (handler === 'io') await setTimeout(IO_MS)
    counter.handled()
  }
  const many = async (messages: readonly { readonly id: string }[], to: Writer): Promise<void> => {
    const ids = messages.map(({ id }) => id)
    if (effect) await write(to, ids)
    for (const _ of ids) counter.handled()
  }

  if (guard === 'inbox') {
    const inbox = postgresInbox(pool)
    if (batch === undefined) consumer.on(declared, ({ id }, { tx }) => one(id, tx), { ...common, inbox })
    else consumer.onBatch(declared, (messages, { tx }) => many(messages, tx), { ...common, inbox, maxBatchSize: batch })
  } else if (batch === undefined) consumer.on(declared, ({ id }) => one(id, pool), common)
  else consumer.onBatch(declared, (messages) => many(messages, pool), { ...common, maxBatchSize: batch })
  await consumer.start()
  await counter.done
  await consumer.close()
  redis.disconnect()
  await pool.end()
}

import pg from 'pg'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { Runtime } from '../../../src/clock/index.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { PostgresOutboxOptions } from '../../../src/postgres.ts'
import { outboxNames } from '../../../src/outbox/postgres/outbox-table.ts'
import { postgresOutboxSql } from '../../../src/postgres.ts'
import { outboxStoreConformance } from '../../../src/testing/index.ts'
import { fresh, startStores } from '../stores/world.ts'
import { subjects } from './enqueue-world.ts'
import { untilBlocked } from './relay-store-world.ts'

let services: Services
let admin: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  admin = new pg.Pool({ connectionString: services.postgres!.url })
})
afterAll(async () => {
  await admin?.end()
  await services.close()
})

const outboxes: ReadonlyArray<readonly [name: string, client: string, options: PostgresOutboxOptions]> = [
  ...Object.keys(subjects).map((client) => [`an outbox on ${client}`, client, {}] as const),
  ['an outbox that keeps sent rows', 'pg', { keepSentMs: 60_000 }],
]

for (const [name, client, options] of outboxes) {
  outboxStoreConformance({
    name,
    leaseMs: 60_000, // nobody waits for it: see `age`
    describe,
    test,
    async create() {
      const { url } = services.postgres!
      const table = fresh('outbox')
      await admin.query(postgresOutboxSql({ table, keepSent: options.keepSentMs !== undefined }))
      let agedMs = 0
      const runtime: Runtime = {
        ...systemRuntime,
        clock: { ...systemRuntime.clock, monotonic: () => systemRuntime.clock.monotonic() + agedMs },
      }
      const [own, other] = [1, 2].map(() => subjects[client]!(url, { ...options, table, runtime }))
      return {
        store: own!.store,
        otherStore: other!.store,
        savepoint: async (transaction, work) => void (await own!.savepoint(transaction, work)),
        pool: own!.database,
        untilWaiting: (count) => untilBlocked(admin, count),
        async tick(ms) {
          agedMs += ms
          await age(table, ms)
        },
        async close() {
          await own!.close()
          await other!.close()
        },
      }
    },
  })
}

/** Lets time pass for an outbox, though none does: all that it knows of was so much earlier. */
async function age(table: string, ms: number): Promise<void> {
  const { outbox, buckets, workers } = outboxNames({ table })
  const past = `$1::float8 * interval '1 millisecond'`
  await admin.query(`update ${buckets} set lease_until = lease_until - ${past}`, [ms])
  await admin.query(`update ${workers} set alive_until = alive_until - ${past}`, [ms])
  await admin.query(`update ${outbox} set enqueued_at = enqueued_at - ${past}`, [ms])
}

// Counts events. A missed count matters less than a stuck partition, so a failure is skipped: declared here, counted, never silent.
import { orderEvents } from '../contracts/index.ts'
import { inTransaction, recordEffect } from '../shared/database.ts'
import { createService } from '../shared/service.ts'
import { decided } from '../shared/simulated-world.ts'

const { configuration, consumer, database, dedupe, log, start } = createService('analytics')

class WarehouseBusy extends Error {
  override readonly name: string = 'WarehouseBusy'
}

consumer.on(
  orderEvents,
  async (message, context) => {
    if (decided(configuration.seed, 'warehouse-busy', message.id) < 1 / 50) throw new WarehouseBusy('too many writers')
    await inTransaction(database, async (tx) => {
      await tx.query(
        `insert into event_counts (type, count) values ($1, 1)
         on conflict (type) do update set count = event_counts.count + 1`,
        [message.value.type],
      )
      await recordEffect(tx, 'analytics', message, context)
    })
  },
  { dedupe, errors: [{ when: WarehouseBusy, verdict: 'skip' }] },
)

consumer.listen('skipped', ({ position, reason }) => {
  const { topic, partition, offset } = position
  database
    .query(
      `insert into skips (service, topic, partition, log_offset, reason) values ('analytics', $1, $2, $3, $4)
       on conflict do nothing`,
      [topic, partition, String(offset), reason],
    )
    .catch((error: unknown) => log.error({ error: (error as Error).message }, 'a skip could not be written down'))
})

await start()

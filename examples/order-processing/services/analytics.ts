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
  { dedupe, errors: [{ when: WarehouseBusy, then: 'skip' }] },
)

const writes = new Set<Promise<unknown>>()
consumer.listen('skipped', ({ position, reason }) => {
  const write = database
    .query(
      'insert into skips (service, topic, partition, log_offset, reason) values ($1, $2, $3, $4, $5) on conflict do nothing',
      ['analytics', position.topic, position.partition, String(position.offset), reason],
    )
    .catch((error: Error) => log.error({ code: (error as { code?: string }).code }, 'a skip could not be written down'))
    .finally(() => writes.delete(write))
  writes.add(write)
})

await start()

// Counts events, as many at a time as there are, at most once: a missed count matters less than one that is counted twice or a partition that
// stands still. The offsets of a batch move before its handler is called, so what it was in the middle of when it died is missed, and what
// fails is skipped: declared here, counted, never silent.
import type { Position } from 'holdfast'
import type { PoolClient } from 'pg'
import { orderEvents } from '../contracts/index.ts'
import { inTransaction, recordEffects } from '../shared/database.ts'
import { createService } from '../shared/service.ts'
import { decided } from '../shared/simulated-world.ts'

const { configuration, consumer, database, log, start } = createService('analytics')

class WarehouseBusy extends Error {
  override readonly name: string = 'WarehouseBusy'
}

consumer.onBatch(
  orderEvents,
  async (messages, batch) => {
    const isRefused = (id: string): boolean => decided(configuration.seed, 'warehouse-busy', id) < 1 / 50
    const counted = messages.filter(({ id }) => !isRefused(id))
    const refused = messages.filter(({ id }) => isRefused(id))
    await inTransaction(database, async (tx) => {
      // Sorted, so that two batches never wait for each other in a circle.
      for (const type of [...new Set(counted.map(({ value }) => value.type))].sort()) {
        await tx.query(
          `insert into event_counts (type, count) values ($1, $2)
           on conflict (type) do update set count = event_counts.count + excluded.count`,
          [type, counted.filter(({ value }) => value.type === type).length],
        )
      }
      await recordEffects(
        tx,
        'analytics',
        counted.map((message) => ({ message, context: message.context })),
      )
      // Here and not when they are skipped: what a crash leaves of a batch is all of it, or nothing.
      for (const { context } of refused) await recordSkip(tx, context, 'refused')
    })
    for (const message of refused) batch.fail(message, new WarehouseBusy('too many writers'))
  },
  { delivery: 'at-most-once', maxBatchSize: 50, maxBatchWaitMs: 50 }, // no more than may be missed
)

// What could not be read comes to no handler.
consumer.listen('skipped', ({ position, reason }) => {
  recordSkip(database, position, reason).catch((error: unknown) => {
    log.error({ error: (error as Error).message }, 'a skip could not be written down')
  })
})

await start()

async function recordSkip(
  tx: Pick<PoolClient, 'query'>,
  { topic, partition, offset }: Position,
  reason: string,
): Promise<void> {
  await tx.query(
    `insert into skips (service, topic, partition, log_offset, reason) values ('analytics', $1, $2, $3, $4)
     on conflict do nothing`,
    [topic, partition, String(offset), reason],
  )
}

import pg from 'pg'
import { createOutbox, createRelay } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { postgresOutbox } from 'holdfast/postgres'
import { watchAcknowledgements } from './watch-acknowledgements.ts'
import type { HoldfastSpec, StartRelay } from './relay-spec.ts'

/** Connections that one worker may use. */
const CONNECTIONS = 4

/** Holdfast's relay, with its defaults. */
export const startHoldfastRelay: StartRelay<HoldfastSpec> = async (spec, published, holds) => {
  const pool = new pg.Pool({ connectionString: spec.url, max: CONNECTIONS })
  const { store } = createOutbox({ store: postgresOutbox(pool, { notify: spec.listen === true }), source: 'bench' })
  const kafkajs = kafkajsDriver({ clientId: 'bench', brokers: [...spec.brokers] })
  const tellsMarks = spec.tells !== 'acknowledgements'
  let enqueued = (): void => undefined
  const relay = createRelay({
    outbox: {
      store,
      onEnqueued(listener) {
        enqueued = listener
        return () => undefined
      },
    },
    driver: tellsMarks ? kafkajs : watchAcknowledgements(kafkajs, published),
    ...(spec.transactionalIdPrefix !== undefined && { transactionalIdPrefix: spec.transactionalIdPrefix }),
    ...(spec.listen === true && { listen: true }),
  })
  if (tellsMarks) relay.listen('published', ({ rows }) => published(rows))
  relay.listen('buckets', ({ held }) => holds(held.length))
  await relay.start()
  holds(relay.health().buckets.length)
  return {
    go: () => enqueued(), // as after a commit in the same process
    async close() {
      await relay.close()
      await pool.end()
    },
  }
}

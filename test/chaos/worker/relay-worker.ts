import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { describeForLog } from '../../../src/errors/index.ts'
import type { Relay } from '../../../src/outbox/index.ts'
import { createOutbox, createRelay } from '../../../src/outbox/index.ts'
import { postgresOutbox } from '../../../src/postgres.ts'
import type { Journal } from '../history/index.ts'
import { workerDriver } from './drivers.ts'
import { journalingProducers, journalingRelayStore } from './relay-journal.ts'
import { sampleResources } from './resources.ts'
import type { RelayConfig } from './worker-config.ts'
import { workerLogger } from './worker-logger.ts'
import { workerRuntime } from './worker-runtime.ts'

const START_AGAIN_MS = 300

/** Relays until SIGTERM. A start that fails, as while the database is away, is tried again, as a supervisor would. Resolves with the exit code. */
export async function runRelay(config: RelayConfig, journal: Journal, stopped: AbortSignal): Promise<number> {
  const { proc, outbox: place, dieAt, standAt } = config
  const logger = workerLogger(journal)
  const runtime = workerRuntime({
    dieAt,
    standAt,
    onStand: (failpoint) => journal.write({ f: 'stand-still', failpoint }),
  })
  const pool = new pg.Pool({ connectionString: place.url, max: 6, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => undefined) // a broken idle connection is replaced at its next use
  const store = journalingRelayStore(postgresOutbox(pool, { notify: place.notify }), journal)
  const outbox = createOutbox({ store, source: 'chaos' })
  const make = (): Relay =>
    createRelay({
      outbox,
      driver: journalingProducers(workerDriver(config.driver, proc, config.brokers), journal),
      worker: proc,
      ...config.relay,
      listen: place.notify,
      logger,
      runtime,
    })
  let relay = make()
  const resources = sampleResources(journal, () => relay.health().underWay)
  resources.sample('baseline')
  while (!stopped.aborted) {
    try {
      await relay.start()
      break
    } catch (error) {
      logger.warn({ error: describeForLog(error) }, 'the relay does not start, and is tried again')
      await relay.close()
      relay = make()
      await sleep(START_AGAIN_MS, undefined, { signal: stopped }).catch(() => undefined)
    }
  }
  if (!stopped.aborted) await new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }))
  await relay.close()
  await pool.end()
  await resources.stop()
  return 0
}

import type { Outbox, Relay } from 'holdfast'
import { createOutbox, createRelay } from 'holdfast'
import { postgresOutbox } from 'holdfast/postgres'
import type { PoolClient } from 'pg'
import { crashableRuntime } from './crash-points.ts'
import type { Part, Surroundings } from './surroundings.ts'

/** The outbox of this process, and the relay that sends its rows, and those of the other processes. */
export interface OutboxAndRelay {
  readonly outbox: Outbox<PoolClient>
  readonly relay: Relay
  /** The relay, as a part of a process. */
  readonly sending: Part
}

/** How long rows are kept that were sent: within this time `holdfast audit` can hold them against the topics. */
const KEEP_SENT_MS = 7 * 86_400_000

/**
 * Makes both. All processes share one outbox, as they share the database: its buckets are divided among the relays alive, so a row is often sent by
 * another process than the one that wrote it, and when one dies the others have its buckets within a lease. `notify` tells them of each commit;
 * else they would look once a second.
 */
export function createServiceOutbox({
  name,
  configuration,
  database,
  driver,
  telemetry,
  log,
}: Surroundings): OutboxAndRelay {
  const runtime = crashableRuntime(log)
  const store = postgresOutbox(database, { keepSentMs: KEEP_SENT_MS, notify: true, runtime })
  const outbox = createOutbox({ store, source: name, telemetry, runtime })
  const leaseMs = configuration.sessionTimeoutMs // what a dead process held waits as long, partitions and buckets alike
  const deliveryTimeoutMs = Math.floor(leaseMs / 2) // the most there may be: a send that is given up on a busy machine is done twice
  const relay = createRelay({
    outbox,
    driver,
    leaseMs,
    deliveryTimeoutMs,
    listen: true,
    telemetry,
    logger: log,
    runtime,
  })
  return { outbox, relay, sending: { open: () => relay.start(), close: () => relay.close() } }
}

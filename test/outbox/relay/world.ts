import { z } from 'zod'
import type { Outbox, Relay, RelayOptions } from '../../../src/outbox/index.ts'
import { createOutbox, createRelay } from '../../../src/outbox/index.ts'
import type {
  Failpoints,
  InMemoryCluster,
  InMemoryOutbox,
  InMemoryOutboxClient,
  InMemoryOutboxFaults,
  VirtualRuntime,
} from '../../../src/testing/index.ts'
import {
  createInMemoryCluster,
  failpoints,
  inMemoryDriver,
  inMemoryOutbox,
  virtualRuntime,
} from '../../../src/testing/index.ts'
import type { SendableTopic } from '../../../src/topic/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import type { WatchedDriver } from '../../producer/watched-driver.ts'
import { watchedDriver } from '../../producer/watched-driver.ts'

/** Values are texts like `k1:a`, and what stands before the colon is the key. */
export const letters: SendableTopic<string, string> = defineTopic({
  name: 'letters',
  schema: z.string(),
  key: (value) => value.split(':')[0]!,
})
/** Texts without a key. */
export const notes: SendableTopic<string, string> = defineTopic({ name: 'notes', schema: z.string(), key: 'none' })
/** As letters, on a topic that does not exist. */
export const missing: SendableTopic<string, string> = defineTopic({
  name: 'missing',
  schema: z.string(),
  key: (value) => value.split(':')[0]!,
})

type InMemoryTransaction = Awaited<ReturnType<InMemoryOutbox['begin']>>

/** An outbox in memory, a cluster in memory, and relays between them, in virtual time. */
export interface RelayWorld {
  readonly runtime: VirtualRuntime
  readonly cluster: InMemoryCluster
  readonly store: InMemoryOutbox
  readonly outbox: Outbox<InMemoryTransaction>
  readonly points: Failpoints
  /** Makes a relay with a driver, and a client of the outbox, of its own. */
  relay(options?: Partial<RelayOptions> & { readonly faults?: InMemoryOutboxFaults }): RelayAtWork
  /** Enqueues and commits each by itself. */
  enqueue(...values: readonly string[]): Promise<void>
  /** The texts on the log of `letters`, each partition oldest first. */
  sent(topic?: string): readonly string[]
}

/** A relay, and what it goes through. */
export interface RelayAtWork extends Relay {
  readonly driver: WatchedDriver
  readonly client: InMemoryOutboxClient
}

/** Builds a {@link RelayWorld}. */
export function relayWorld(given: { readonly partitions?: number; readonly enqueueWakes?: boolean } = {}): RelayWorld {
  const { partitions = 1 } = given
  const points = failpoints()
  const runtime = virtualRuntime({ failpoint: points.failpoint })
  const cluster = createInMemoryCluster({
    topics: [
      { topic: 'letters', partitions },
      { topic: 'notes', partitions },
    ],
    runtime,
  })
  const store = inMemoryOutbox({ runtime })
  const outbox = createOutbox({ store, source: 'shop', runtime })
  let relays = 0

  const sent = (topic = 'letters'): readonly string[] =>
    cluster.records(topic).map(({ value }) => (value === null ? 'null' : Buffer.from(value).toString().slice(1, -1)))

  return {
    runtime,
    cluster,
    store,
    outbox,
    points,
    relay({ faults, ...options } = {}) {
      const driver = watchedDriver(inMemoryDriver({ cluster, clientId: `relay-${relays++}` }))
      const client = store.client(faults)
      const relay = createRelay({
        outbox: { store: client, onEnqueued: (listener) => outbox.onEnqueued(listener) },
        driver,
        runtime,
        ...options,
      })
      return { ...relay, driver, client }
    },
    async enqueue(...values) {
      for (const value of values) {
        const topic = value.startsWith('missing') ? missing : letters
        await store.transact(async (tx) => void (await outbox.enqueue(tx, topic, value)))
      }
    },
    sent,
  }
}

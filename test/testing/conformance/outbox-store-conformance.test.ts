import { describe, expect, test } from 'vitest'
import type { OutboxStore, RelayStore } from '../../../src/outbox/index.ts'
import type { InMemoryOutbox, InMemoryOutboxOptions, InMemoryTransaction } from '../../../src/testing/index.ts'
import { inMemoryOutbox, outboxStoreConformance, virtualRuntime } from '../../../src/testing/index.ts'
import type { VirtualRuntime } from '../../../src/testing/index.ts'

type Store = OutboxStore<InMemoryTransaction>
/** What a defect makes of a sound store. */
type Change = (store: Store, database: InMemoryOutbox, runtime: VirtualRuntime) => Store

/** The promises that a store does not keep, of those that begin so. */
async function broken(change: Change, options: InMemoryOutboxOptions = {}, only = ''): Promise<readonly string[]> {
  const tests: { readonly promise: string; readonly body: () => Promise<void> }[] = []
  outboxStoreConformance({
    name: 'a store',
    describe: (_name, body) => body(),
    test: (promise, body) => void tests.push({ promise, body }),
    async create() {
      const runtime = virtualRuntime()
      const database = inMemoryOutbox({ runtime, ...options })
      return {
        store: change(database, database, runtime),
        otherStore: change(database.client(), database, runtime),
        savepoint: (transaction, work) => (transaction as InMemoryTransaction).savepoint(work),
        pool: database,
        async untilWaiting(count) {
          for (let turns = 0; turns < 1_000; turns++) {
            if (database.waitingForLocks >= count) return
            await Promise.resolve()
          }
          throw new Error(`${database.waitingForLocks} transactions wait, and not ${count}`)
        },
        tick: runtime.advance,
        close: async () => {},
      }
    },
  })
  const failed: string[] = []
  for (const { promise, body } of tests.filter((each) => each.promise.startsWith(only)))
    await body().catch(() => failed.push(promise))
  return failed
}

const sound: Change = (store) => store
const relaying =
  (change: (relay: RelayStore, database: InMemoryOutbox, runtime: VirtualRuntime) => Partial<RelayStore>): Change =>
  (store, database, runtime) => ({
    ...store,
    relay: { ...store.relay, ...change(store.relay, database, runtime) },
  })

/** Defects that stores have or could have, each with a promise that must not hold then. */
const defects: ReadonlyArray<
  readonly [defect: string, promise: string, change: Change, options?: InMemoryOutboxOptions]
> = [
  ['does not lock keys', 'lets the second transaction of a key wait', sound, { naive: { locks: false } }],
  ['draws ids in stocks', 'gives no two rows one id', sound, { naive: { sequenceCache: 32 } }],
  [
    'writes outside of the transaction',
    'shows a row with the commit',
    (store) => ({
      ...store,
      insert: (transaction, messages) =>
        transaction.state === 'open' && messages.length > 0
          ? store.transact((own) => store.insert(own, messages))
          : store.insert(transaction, messages),
    }),
  ],
  [
    'takes a pool for a transaction',
    'refuses a pool',
    (store, database) => ({
      ...store,
      insert: (transaction, messages) =>
        (transaction as unknown) === database
          ? store.transact((own) => store.insert(own, messages))
          : store.insert(transaction, messages),
    }),
  ],
  [
    'passes over a transaction that has ended',
    'refuses a transaction that has ended',
    (store) => ({
      ...store,
      insert: async (transaction, messages) =>
        transaction.state === 'open' ? store.insert(transaction, messages) : undefined,
    }),
  ],
  [
    'takes an empty value for none',
    'keeps every byte',
    (store) => ({
      ...store,
      insert: (transaction, messages) =>
        store.insert(transaction, messages.map((each) => (each.value?.length === 0 ? { ...each, value: null } : each))), // prettier-ignore
    }),
  ],
  [
    'keeps headers in an object',
    'keeps every byte',
    (store) => ({
      ...store,
      insert: (transaction, messages) =>
        store.insert(transaction, messages.map((each) => ({ ...each, headers: Object.entries(Object.fromEntries(each.headers)) }))), // prettier-ignore
    }),
  ],
  [
    'locks the keys of a call in the order given',
    'keeps the order of each key among many transactions',
    (store) => ({
      ...store,
      async insert(transaction, messages) {
        if (messages.length === 0) return store.insert(transaction, messages)
        for (const each of messages) await store.insert(transaction, [each])
      },
    }),
  ],
  [
    'fetches from the row itself on',
    'fetches the rows of a range',
    relaying((relay) => ({
      fetch: (ranges, limits) =>
        relay.fetch(ranges.map((range) => ({ ...range, after: range.after - 1n })), limits), // prettier-ignore
    })),
  ],
  [
    'fills a fetch with what fits, past what did not',
    'fetches about as many bytes',
    relaying((relay) => ({
      async fetch(ranges, limits) {
        const rows = await relay.fetch(ranges, { ...limits, maxBytes: 1e9 })
        let bytes = 0
        return rows.filter(({ value }, i) => {
          const fits = i === 0 || bytes + (value?.length ?? 0) <= limits.maxBytes
          if (fits) bytes += value?.length ?? 0
          return fits
        })
      },
    })),
  ],
  [
    'begins with the lowest bucket, whatever was asked',
    'fetches of many ranges in their order',
    relaying((relay) => ({
      fetch: (ranges, limits) => relay.fetch(ranges.toSorted((a, b) => a.bucket - b.bucket), limits), // prettier-ignore
    })),
  ],
  [
    'names no writers',
    'names the writers that are open',
    relaying((relay) => ({ writers: async () => ({ ...(await relay.writers()), writers: [] }) })),
  ],
  [
    'takes the highest row that is there for the last that was drawn',
    'names the writers that are open',
    relaying((relay, database) => ({
      writers: async () => ({ ...(await relay.writers()), lastRowId: database.rows().at(-1)?.rowId ?? 0n }),
    })),
  ],
  [
    'gives writers another name at each look',
    'names a writer again and again',
    (() => {
      let looks = 0
      return relaying((relay) => ({
        async writers() {
          const { lastRowId, writers } = await relay.writers()
          return { lastRowId, writers: writers.map((name) => `${name} ${looks++}`) }
        },
      }))
    })(),
  ],
  [
    'fails to mark what is gone',
    'marks what Kafka has',
    relaying((relay, database) => ({
      async sent(rows) {
        const ids = new Set(database.rows().map(({ rowId }) => rowId))
        if (!rows.every(({ rowId }) => ids.has(rowId))) throw new Error('gone')
        await relay.sent(rows)
      },
    })),
  ],
  [
    'takes a lease anew at each round',
    'gives all buckets to a worker that is alone, and renews',
    relaying((relay) => ({
      async lease(worker, leaseMs) {
        await relay.release((await relay.lease(worker, leaseMs)).leases)
        return relay.lease(worker, leaseMs)
      },
    })),
  ],
  [
    'keeps who is silent among the workers',
    'takes the buckets of who has left at once, and of who is silent',
    relaying((relay) => ({ lease: (worker) => relay.lease(worker, 10 * 60_000) })),
  ],
  [
    'gives back whatever the epoch',
    'lets nobody give back what another one has taken since',
    relaying((relay, database) => ({
      async release(leases) {
        const current = database.buckets()
        await relay.release(leases.map((lease) => ({ ...lease, epoch: current[lease.bucket]!.epoch })))
      },
    })),
  ],
  [
    'sets aside whatever the epoch',
    'sets nothing aside under a lease that has passed',
    relaying((relay, database) => ({
      setAside: (lease, rows) => relay.setAside({ ...lease, epoch: database.buckets()[lease.bucket]!.epoch }, rows),
    })),
  ],
  [
    'sets aside whatever the generation',
    'sets nothing aside for whoever has not heard',
    relaying((relay, database) => ({
      setAside: (lease, rows) =>
        relay.setAside({ ...lease, generation: database.buckets()[lease.bucket]!.generation }, rows),
    })),
  ],
  [
    'takes rows without a key for keys that wait',
    'names the keys that wait behind a parked row',
    relaying((_relay, database) => ({
      parkedKeys: async (buckets) =>
        database
          .rows()
          .filter(({ state, bucket }) => state === 'parked' && buckets.includes(bucket))
          .map(({ bucket, topic, key, rowId }) => ({ bucket, topic, key: key ?? Buffer.alloc(0), rowId })),
    })),
  ],
  [
    'puts back one row of many',
    'puts a parked row back before those behind it',
    (store) => ({
      ...store,
      operations: { ...store.operations, retry: (selection) => store.operations.discard(selection) },
    }),
  ],
  [
    'does to all what was asked for a topic',
    'does to the rows of a topic',
    (store) => ({
      ...store,
      operations: {
        ...store.operations,
        retry: (selection) => store.operations.retry(selection.kind === 'topic' ? { kind: 'all' } : selection),
      },
    }),
  ],
  [
    'counts what is set aside as waiting',
    'counts what waits',
    relaying((relay) => ({
      async statistics(countUpTo) {
        const counts = await relay.statistics(countUpTo)
        return { ...counts, waiting: counts.waiting + counts.parked }
      },
    })),
  ],
]

describe('the suite for outbox stores', () => {
  test('finds nothing to say about the outbox in memory', async () => {
    expect(await broken(sound)).toEqual([])
  })

  for (const [defect, promise, change, options] of defects) {
    test(`notices a store that ${defect}`, async () => {
      expect(await broken(change, options, promise)).toHaveLength(1)
    })
  }
})

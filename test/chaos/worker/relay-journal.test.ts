import { expect, test } from 'vitest'
import type { DriverProducer, DriverTransaction, ProduceBatch, ProduceOutcome } from '../../../src/driver/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import { createInMemoryCluster, inMemoryDriver, inMemoryOutbox, virtualRuntime } from '../../../src/testing/index.ts'
import type { EventBody } from '../history/index.ts'
import { journalingProducers, journalingRelayStore } from './relay-journal.ts'

const OK = (offset: number): ProduceOutcome => ({ ok: true, offset: BigInt(offset) })
const failure = (code: 'HOLDFAST_INDETERMINATE' | 'HOLDFAST_FENCED'): ProduceOutcome => ({
  ok: false,
  error: new HoldfastError(code, 'as told'),
})

function batchOf(...ids: readonly string[]): ProduceBatch {
  const records = ids.map((id) => ({
    topic: 'orders',
    partition: 2,
    key: null,
    value: null,
    timestamp: 0n,
    headers: [['holdfast-id', Buffer.from(id)]] as const,
  }))
  return { topic: 'orders', partition: 2, records, compression: 'none' }
}

/** A producer that answers what it is told. */
function journaled(answers: readonly (readonly ProduceOutcome[])[], commit: () => Promise<void> = async () => {}) {
  const told: EventBody[] = []
  const left = [...answers]
  const produce = async (): Promise<readonly ProduceOutcome[]> => left.shift()!
  const transaction: DriverTransaction = { produce, commit, abort: async () => {} }
  const producer = { produce, begin: async () => transaction } as unknown as DriverProducer
  const cluster = createInMemoryCluster({ topics: [], runtime: virtualRuntime() })
  const driver = journalingProducers(
    { ...inMemoryDriver({ cluster, clientId: 'relay' }), createProducer: () => producer },
    { write: (event) => void told.push(event) },
  )
  return { told, producer: driver.createProducer({} as never) }
}

test('a batch is told of before it is sent, and then which of it are on the log, and where', async () => {
  const { told, producer } = journaled([[OK(7), failure('HOLDFAST_INDETERMINATE')]])
  await producer.produce(batchOf('m-1', 'm-2'), { timeoutMs: 1 })
  expect(told).toEqual([
    { f: 'relay-send', batch: 1, topic: 'orders', partition: 2, ids: ['m-1', 'm-2'] },
    { f: 'relay-answer', batch: 1, acked: ['m-1'], offsets: ['7'], code: 'HOLDFAST_INDETERMINATE' },
  ])
})

test('what is written in a transaction counts when it is committed, and not at all when it is not', async () => {
  const committed = journaled([[OK(3)]])
  const first = await committed.producer.begin()
  await first.produce(batchOf('m-1'), { timeoutMs: 1 })
  expect(committed.told.map(({ f }) => f)).toEqual(['relay-send'])
  await first.commit()
  expect(committed.told.at(-1)).toEqual({ f: 'relay-answer', batch: 1, acked: ['m-1'], offsets: ['3'] })

  const inDoubt = journaled([[OK(3)]], () => Promise.reject(new HoldfastError('HOLDFAST_INDETERMINATE', 'lost')))
  const second = await inDoubt.producer.begin()
  await second.produce(batchOf('m-1'), { timeoutMs: 1 })
  await expect(second.commit()).rejects.toThrow('lost')
  expect(inDoubt.told.at(-1)).toMatchObject({ acked: [], code: 'HOLDFAST_INDETERMINATE' })

  const fenced = journaled([[failure('HOLDFAST_FENCED')]])
  const third = await fenced.producer.begin()
  await third.produce(batchOf('m-1'), { timeoutMs: 1 })
  await third.abort()
  expect(fenced.told.at(-1)).toMatchObject({ acked: [], code: 'HOLDFAST_FENCED' })
})

test('buckets are told of when they come and go, and rows by their message ids when they are marked', async () => {
  const runtime = virtualRuntime()
  const told: EventBody[] = []
  const store = inMemoryOutbox({ runtime })
  const message = { topic: 'orders', key: Buffer.from('k'), value: null, headers: [], timestamp: 0n }
  await runtime.clock.run(store.transact(async (tx) => store.insert(tx, [{ id: 'm-1', ...message }])))
  const { relay } = journalingRelayStore(store.client(), { write: (event) => void told.push(event) })
  const { leases } = await runtime.clock.run(relay.lease('one', 10_000))
  await runtime.clock.run(relay.lease('one', 10_000))
  expect(told).toHaveLength(64)
  expect(told[0]).toMatchObject({ f: 'bucket', change: 'taken', epoch: leases[0]!.epoch })
  told.length = 0

  const fetch = () =>
    runtime.clock.run(
      relay.fetch(
        leases.map(({ bucket }) => ({ bucket, after: 0n })),
        { maxRows: 10, maxBytes: 10_000 },
      ),
    )
  const [row] = await fetch()
  const sent = [{ bucket: row!.bucket, rowId: row!.rowId, partition: 0, offset: 0n }]
  await runtime.clock.run(relay.sent(sent, { worker: 'two', epochs: new Map() }))
  expect(await fetch()).toHaveLength(1) // the fence is passed on
  told.length = 0
  await runtime.clock.run(relay.sent(sent))
  expect(told).toEqual([
    { f: 'relay-mark', phase: 'invoke', ids: ['m-1'] },
    { f: 'relay-mark', phase: 'ok', ids: ['m-1'] },
  ])
  told.length = 0

  await runtime.clock.run(relay.release(leases.slice(0, 1)))
  await runtime.clock.run(relay.release(leases.slice(1, 2).map((lease) => ({ ...lease, epoch: lease.epoch - 1n }))))
  await runtime.clock.advance(20_000)
  await runtime.clock.run(relay.lease('two', 10_000))
  await runtime.clock.run(relay.lease('one', 10_000))
  const changes = told.map((event) => event.f === 'bucket' && event.change)
  expect(changes.filter((change) => change === 'released')).toHaveLength(1)
  expect(changes.filter((change) => change === 'lost').length).toBeGreaterThan(0)
})

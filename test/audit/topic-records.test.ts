import { expect, test } from 'vitest'
import type { AuditFact, SourceNews, TopicRecordsOptions } from '../../src/audit/index.ts'
import { audit, topicRecords } from '../../src/audit/index.ts'
import type { Driver, DriverTransaction } from '../../src/driver/index.ts'
import { silentLogger } from '../../src/logger/index.ts'
import type { Header, OutboundRecord } from '../../src/record/index.ts'
import { createInMemoryCluster, inMemoryDriver, virtualRuntime } from '../../src/testing/index.ts'
import type { InMemoryCluster } from '../../src/testing/index.ts'

interface World {
  readonly cluster: InMemoryCluster
  readonly driver: Driver
}

function world(partitions = 2): World {
  const cluster = createInMemoryCluster({ topics: [{ topic: 'orders', partitions }] })
  return { cluster, driver: inMemoryDriver({ cluster }) }
}

interface Record {
  readonly id?: string
  readonly partition?: number
  readonly at?: number
  readonly value?: string | null
  readonly source?: string
}

function write({ cluster }: World, records: readonly Record[]): void {
  cluster.append(
    records.map(({ id, partition = 0, at = 0, value = 'v', source }) => ({
      topic: 'orders',
      partition,
      key: Buffer.from('k'),
      value: value === null ? null : Buffer.from(value),
      headers: [
        ...(id === undefined ? [] : [['holdfast-id', Buffer.from(id)] as Header]),
        ...(source === undefined ? [] : [['holdfast-source', Buffer.from(source)] as Header]),
      ],
      timestamp: BigInt(at),
    })),
  )
}

async function read(
  { driver }: World,
  options: TopicRecordsOptions = {},
  scope: { readonly sinceMs?: number; readonly beginAt?: ReadonlyMap<number, bigint> } = {},
): Promise<{ readonly facts: readonly AuditFact[]; readonly news: readonly SourceNews[] }> {
  const runtime = virtualRuntime()
  const news: SourceNews[] = []
  const reading = (async () => {
    const facts: AuditFact[] = []
    const batches = topicRecords(driver, 'orders', options).read({
      sinceMs: scope.sinceMs ?? null,
      untilMs: null,
      beginAt: scope.beginAt ?? new Map(),
      runtime,
      signal: new AbortController().signal,
      tell: (each) => news.push(each),
    })
    for await (const batch of batches) facts.push(...batch)
    return facts
  })()
  return { facts: await runtime.run(reading), news }
}
const placesOf = (facts: readonly AuditFact[]): readonly string[] =>
  facts.map(({ id, line, order }) => `${id} ${line}@${order}`).toSorted()

test('a topic is read from its first record to where it ends, each record once, and no group is left', async () => {
  const here = world()
  write(
    here,
    Array.from({ length: 500 }, (_, i) => ({ id: `m${i}`, partition: i % 2, at: i })),
  )
  const { facts, news } = await read(here)
  expect(facts).toHaveLength(500)
  expect(new Set(facts.map(({ id }) => id)).size).toBe(500)
  expect(facts.find(({ id }) => id === 'm7')).toMatchObject({ line: 1, order: 3n, atMs: 7, state: 'due' })
  for (const line of [0, 1]) {
    const orders = facts.filter((fact) => fact.line === line).map(({ order }) => order)
    expect(orders).toEqual(orders.toSorted((a, b) => Number(a - b)))
  }
  expect(news).toEqual([{ kind: 'expected', facts: 500 }])
})

test('a group that rebalances in the middle goes on where it was: each record comes once, and a new partition is not read', async () => {
  const here = world(2)
  write(
    here,
    Array.from({ length: 4_000 }, (_, i) => ({ id: `m${i}`, partition: i % 2, value: 'v'.repeat(1_000) })),
  )
  const runtime = virtualRuntime()
  const seen: string[] = []
  let batches = 0
  const reading = (async () => {
    const facts = topicRecords(here.driver, 'orders').read({
      sinceMs: null,
      untilMs: null,
      beginAt: new Map(),
      runtime,
      signal: new AbortController().signal,
      tell() {},
    })
    for await (const batch of facts) {
      seen.push(...batch.map(({ id }) => id))
      if (++batches === 1) here.cluster.addPartitions('orders', 3)
      if (batches % 2 === 1) await runtime.clock.sleep(4_000) // more comes meanwhile, and waits
    }
  })()
  await runtime.run(reading)
  expect(batches).toBeGreaterThan(2)
  expect(seen).toHaveLength(4_000)
  expect(new Set(seen).size).toBe(4_000)
})

test('an empty topic ends at once', async () => {
  expect((await read(world())).facts).toEqual([])
})

test('a topic that does not exist is told', async () => {
  const driver = inMemoryDriver({ cluster: createInMemoryCluster({ topics: [] }) })
  await expect(read({ cluster: driver.cluster, driver })).rejects.toMatchObject({ code: 'HOLDFAST_TOPIC_UNKNOWN' })
})

test('a log whose end is compacted away is read to its end, though no record stands there', async () => {
  const here = world(1)
  write(here, [{ id: 'a' }, { id: 'b' }, { id: 'c', value: null }])
  here.cluster.compact('orders')
  const { facts } = await read(here)
  expect(placesOf(facts)).toEqual(['c 0@2'])
  expect(facts[0]!.state).toBe('tombstone')
})

test('records without an id are left out and counted, or known by their place as inboxes know them', async () => {
  const here = world(1)
  write(here, [{ id: 'a' }, {}, { id: 'x'.repeat(201) }, { id: '' }])
  const without = await read(here)
  expect(placesOf(without.facts)).toEqual(['a 0@0'])
  expect(without.news.filter(({ kind }) => kind === 'without-id')).toHaveLength(3)
  const byPlace = await read(here, { withoutId: 'by-place' })
  expect(byPlace.facts.map(({ id }) => id)).toEqual(['a', 'orders[0]@1', 'orders[0]@2', 'orders[0]@3'])
})

test('only what the group has committed is read, where that is asked for', async () => {
  const here = world(2)
  write(
    here,
    [0, 1, 2, 3].flatMap((n) => [{ id: `a${n}` }, { id: `b${n}`, partition: 1 }]),
  )
  here.cluster.setCommitted('g', { topic: 'orders', partition: 0, offset: 2n })
  expect(placesOf((await read(here, { committedBy: 'g' })).facts)).toEqual(['a0 0@0', 'a1 0@1'])
})

test('it begins at the window, but no later than at what has to be among it', async () => {
  const here = world(2)
  write(
    here,
    [0, 1, 2, 3].flatMap((n) => [
      { id: `a${n}`, at: n },
      { id: `b${n}`, partition: 1, at: n },
    ]),
  )
  const places = placesOf((await read(here, {}, { sinceMs: 2, beginAt: new Map([[1, 1n]]) })).facts)
  expect(places).toEqual(['a2 0@2', 'a3 0@3', 'b1 1@1', 'b2 1@2', 'b3 1@3'])
})

test('where retention has taken records, it says so, and from when on it is whole', async () => {
  const here = world(2)
  write(
    here,
    [0, 1, 2, 3].map((n) => ({ id: `a${n}`, at: 10 + n })),
  )
  here.cluster.deleteRecordsBefore({ topic: 'orders', partition: 0, offset: 2n })
  const { facts, news } = await read(here)
  expect(placesOf(facts)).toEqual(['a2 0@2', 'a3 0@3'])
  expect(news).toEqual([
    { kind: 'expected', facts: 2 },
    { kind: 'begins', line: 0, order: 2n },
    { kind: 'whole-since', atMs: 12 },
  ])
})

test('records of another source are nobody’s extras', async () => {
  const here = world(1)
  write(here, [{ id: 'a', source: 'us' }, { id: 'b', source: 'them' }, { id: 'c' }])
  const { facts } = await read(here, { source: 'us' })
  expect(facts.map(({ state }) => state)).toEqual(['due', 'foreign', 'foreign'])
})

/** Begins a transaction with one record in it. */
async function begin({ driver }: World): Promise<DriverTransaction> {
  const runtime = virtualRuntime()
  const producer = driver.createProducer({
    runtime,
    logger: silentLogger,
    transactionalId: 't',
    transactionTimeoutMs: 900_000,
  })
  const record: OutboundRecord = {
    topic: 'orders',
    partition: 0,
    key: null,
    value: Buffer.from('v'),
    headers: [['holdfast-id', Buffer.from('in transaction')]],
    timestamp: 0n,
  }
  await runtime.run(producer.connect())
  const transaction = await runtime.run(producer.begin())
  const batch = { topic: 'orders', partition: 0, records: [record], compression: 'none' } as const
  await runtime.run(transaction.produce(batch, { timeoutMs: 10_000 }))
  return transaction
}

test('a log that ends with what was rolled back is read to its end, though no record stands there', async () => {
  const here = world(1)
  write(here, [{ id: 'a' }])
  await (await begin(here)).abort()
  expect(placesOf((await read(here)).facts)).toEqual(['a 0@0'])
})

test('records behind an open transaction do not come: that is told instead of waiting for ever', async () => {
  const here = world(1)
  write(here, [{ id: 'a' }])
  await begin(here)
  write(here, [{ id: 'b' }])
  await expect(read(here, { stalledAfterMs: 5_000 })).rejects.toMatchObject({
    code: 'HOLDFAST_UNAVAILABLE',
    message: expect.stringContaining('orders-0 at 1 of 3') as string,
  })
})

test('an audit of a topic against its mirror finds what the mirror has lost, and reads both by the port alone', async () => {
  const here = world(2)
  const mirror = createInMemoryCluster({ topics: [{ topic: 'mirror', partitions: 3 }] })
  write(
    here,
    Array.from({ length: 50 }, (_, i) => ({ id: `m${i}`, partition: i % 2, at: i })),
  )
  mirror.append(
    here.cluster
      .records('orders')
      .filter(({ offset, partition }) => partition === 0 || offset < 5n || offset > 8n)
      .map(({ key, value, headers, timestamp }) => ({ topic: 'mirror', partition: 2, key, value, headers, timestamp })),
  )
  const runtime = virtualRuntime()
  const report = await runtime.run(
    audit({
      from: topicRecords(here.driver, 'orders'),
      to: topicRecords(inMemoryDriver({ cluster: mirror }), 'mirror'),
      graceMs: 0,
      runtime,
    }),
  )
  expect(report.findings.missing).toMatchObject([
    { count: 4, first: { partition: 1, offset: 5n }, last: { partition: 1, offset: 8n } },
  ])
  expect(report.counts).toMatchObject({ missing: 4, reordered: 0, duplicate: 0 })
})

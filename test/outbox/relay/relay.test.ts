import { expect, test } from 'vitest'
import type { DriverProducerOptions } from '../../../src/driver/index.ts'
import { keyPlace } from '../../../src/outbox/index.ts'
import { deferred } from '../../../src/testing/deferred.ts'
import { letters, notes, relayWorld } from './world.ts'

const bucketOf = (key: string): number => keyPlace('letters', Buffer.from(key)).bucket

test('what was committed is sent, in its order, with its bytes, and is gone from the outbox', async () => {
  const { runtime, store, outbox, enqueue, sent, relay, cluster } = relayWorld()
  await enqueue('k1:a', 'k2:a', 'k1:b')
  await store.transact(async (tx) => void (await outbox.enqueueTombstone(tx, letters, 'k1')))
  const at = relay()
  await at.start()
  await runtime.clock.run(at.drained())
  // In one order within each key; buckets come in any.
  expect(sent().filter((value) => value !== 'k2:a')).toEqual(['k1:a', 'k1:b', 'null'])
  expect(sent()).toContain('k2:a')
  expect(cluster.records('letters')[0]!.headers.map(([name]) => name)).toContain('holdfast-id')
  expect(store.rows()).toEqual([])
  expect(at.health()).toMatchObject({ status: 'healthy', published: 4, underWay: 0 })
  expect(at.health().buckets).toHaveLength(64)
  await runtime.clock.run(at.close())
})

test('a wake-up comes with the enqueue, and finds the row when it is committed', async () => {
  const { runtime, store, outbox, sent, relay } = relayWorld()
  const at = relay({ idleIntervalMs: 60_000 })
  await at.start()
  await runtime.clock.advance(600_000)
  const tx = await store.begin()
  await outbox.enqueue(tx, letters, 'k1:a')
  await runtime.clock.advance(5)
  expect(sent()).toEqual([])
  await tx.commit()
  await runtime.clock.advance(8) // it looks at 1, 2, 4, 8 … ms: the wait is as long as the transaction was
  expect(sent()).toEqual(['k1:a'])
  await runtime.clock.run(at.close())
})

test('at rest it asks two questions a second at most', async () => {
  const { runtime, enqueue, relay, sent } = relayWorld()
  let asked = 0
  const at = relay({ faults: { before: () => void asked++ } })
  await enqueue('k1:a')
  await at.start()
  await runtime.clock.advance(60_000)
  expect(sent()).toEqual(['k1:a'])
  asked = 0
  await runtime.clock.advance(600_000)
  expect(asked).toBeLessThanOrEqual(1_200)
  await runtime.clock.run(at.close())
})

test('a row that is committed late, below what was read, is found by the next look', async () => {
  const { runtime, store, outbox, enqueue, sent, relay } = relayWorld()
  const late = await store.begin()
  await outbox.enqueue(late, letters, 'late:a')
  await enqueue('k1:a', 'k2:a')
  const at = relay({ sweepIntervalMs: 2 ** 31 - 1 })
  await at.start()
  await runtime.clock.advance(5_000)
  expect(sent()).toEqual(['k1:a', 'k2:a'])
  await late.commit()
  await runtime.clock.advance(2_000)
  expect(sent()).toEqual(['k1:a', 'k2:a', 'late:a'])
  await runtime.clock.run(at.close())
})

test('a late row goes before the next row of its key, although that one lies where scans begin', async () => {
  const { runtime, store, outbox, enqueue, sent, relay } = relayWorld()
  const late = await store.begin()
  await outbox.enqueue(late, letters, 'late:a')
  const sameBucket = Array.from({ length: 1_000 }, (_, i) => `k${i}`).find((key) => bucketOf(key) === bucketOf('late'))!
  await enqueue(`${sameBucket}:a`)
  const at = relay({ sweepIntervalMs: 2 ** 31 - 1 })
  await at.start()
  await runtime.clock.advance(5_000)
  expect(sent()).toEqual([`${sameBucket}:a`])
  // It waits for the key's lock, and has its row, above the floor, the moment the late one is committed.
  const next = enqueue('late:b')
  await late.commit()
  await next
  await runtime.clock.advance(2_000)
  expect(sent()).toEqual([`${sameBucket}:a`, 'late:a', 'late:b'])
  await runtime.clock.run(at.close())
})

test('a snapshot that is held elsewhere keeps the dead, and no scan passes them again', async () => {
  const { runtime, store, enqueue, relay } = relayWorld()
  const snapshot = store.holdSnapshot()
  const at = relay({ sweepIntervalMs: 2 ** 31 - 1 })
  await at.start()
  for (let i = 0; i < 10; i++) {
    await enqueue(...Array.from({ length: 30 }, (_, j) => `k${j}:${i}`))
    await runtime.clock.advance(1_000)
  }
  expect(store.deadRows).toBeGreaterThanOrEqual(300)
  expect(store.scanned).toBeLessThan(900)
  snapshot.end()
  await runtime.clock.run(at.close())
})

test('a row that Kafka refuses parks its key alone, and what comes behind it waits without being read again', async () => {
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const parked: string[] = []
  const at = relay()
  at.driver.answer = (batch, { values }) =>
    values.some((value) => value.includes('bad'))
      ? batch.records.map(() => ({ ok: false as const, error: tooLarge }))
      : undefined
  at.listen('parked', ({ topic, reason }) => parked.push(`${topic} ${reason.code}`))
  await enqueue('k1:a', 'k1:bad', 'k1:c', 'k2:a', 'k2:b')
  await at.start()
  await runtime.clock.run(at.drained())
  expect(sent()).toEqual(['k1:a', 'k2:a', 'k2:b'])
  await enqueue('k1:d', 'k2:c')
  await runtime.clock.run(at.drained())
  expect(sent()).toEqual(['k1:a', 'k2:a', 'k2:b', 'k2:c'])
  expect(parked).toEqual(['letters HOLDFAST_RECORD_TOO_LARGE'])
  expect(store.rows().map(({ state }) => state)).toEqual(['parked', 'behind', 'behind'])

  at.driver.answer = undefined // the topic takes larger records now
  expect(await store.operations.retry({ kind: 'all' })).toEqual({ parked: 1, released: 2 })
  await runtime.clock.advance(10_000)
  expect(sent().slice(4)).toEqual(['k1:bad', 'k1:c', 'k1:d'])
  await runtime.clock.run(at.close())
})

test('a discarded row is never sent, and what waited behind it is', async () => {
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const at = relay()
  at.driver.answer = (batch, { values }) =>
    values.some((value) => value.includes('bad'))
      ? batch.records.map(() => ({ ok: false as const, error: tooLarge }))
      : undefined
  await enqueue('k1:bad', 'k1:b')
  await at.start()
  await runtime.clock.run(at.drained())
  await store.operations.discard({ kind: 'all' })
  await runtime.clock.advance(10_000)
  expect(sent()).toEqual(['k1:b'])
  expect(store.rows()).toEqual([])
  await runtime.clock.run(at.close())
})

test('rows without a key are sent, and one that is refused holds none of them up', async () => {
  const { runtime, store, outbox, sent, relay } = relayWorld({ partitions: 3 })
  const at = relay()
  at.driver.answer = (batch, { values }) =>
    values.includes('"bad"') ? batch.records.map(() => ({ ok: false as const, error: tooLarge })) : undefined
  await store.transact(async (tx) => {
    for (const value of ['a', 'bad', 'c', 'd']) await outbox.enqueue(tx, notes, value)
  })
  await at.start()
  await runtime.clock.run(at.drained())
  expect([...sent('notes')].toSorted()).toEqual(['a', 'c', 'd'])
  expect(store.rows().map(({ state }) => state)).toEqual(['parked'])
  await runtime.clock.run(at.close())
})

test('a topic that is missing parks its keys after its grace, and holds no other topic up meanwhile', async () => {
  const { runtime, store, enqueue, sent, relay, cluster } = relayWorld()
  const at = relay({ maxBufferedRows: 20, maxBatchRecords: 5, unknownTopicGraceMs: 30_000 })
  await enqueue(...Array.from({ length: 50 }, (_, i) => `missing${i % 10}:${i}`), 'k1:a')
  await at.start()
  await runtime.clock.advance(5_000)
  expect(sent()).toEqual(['k1:a'])
  await runtime.clock.run(at.drained())
  expect(store.rows().filter(({ state }) => state === 'parked')).toHaveLength(10)
  expect(store.rows().filter(({ state }) => state === 'behind')).toHaveLength(40)
  cluster.createTopic({ topic: 'missing', partitions: 1 })
  await store.operations.retry({ kind: 'topic', topic: 'missing' })
  await runtime.clock.advance(10_000)
  const values = sent('missing')
  expect(values).toHaveLength(50)
  for (let key = 0; key < 10; key++) {
    const own = values.filter((value) => value.startsWith(`missing${key}:`)).map((value) => Number(value.split(':')[1]))
    expect(own).toEqual(own.toSorted((a, b) => a - b))
  }
  await runtime.clock.run(at.close())
})

test('a partition without a leader holds only its own keys up, however many of their rows wait', async () => {
  const { runtime, store, enqueue, sent, relay, cluster } = relayWorld({ partitions: 2 })
  const at = relay({ maxBufferedRows: 20, maxBatchRecords: 5 })
  await enqueue(...Array.from({ length: 200 }, (_, i) => `k${i % 20}:${i}`))
  cluster.partitionUnwritable({ topic: 'letters', partition: 0 }, true)
  await at.start()
  await runtime.clock.advance(20_000)
  const elsewhere = sent().length
  expect(elsewhere).toBeGreaterThan(50)
  expect(elsewhere + store.rows().length).toBe(200)
  expect(at.health().reasons.join()).toContain('sending to letters[0] has failed')
  await enqueue('k0:new')
  cluster.partitionUnwritable({ topic: 'letters', partition: 0 }, false)
  await runtime.clock.run(at.drained())
  const values = sent()
  expect(values).toHaveLength(201)
  for (let key = 0; key < 20; key++) {
    const own = values.filter((value) => value.startsWith(`k${key}:`)).map((value) => value.split(':')[1]!)
    expect(own).toEqual(own.toSorted((a, b) => Number(a === 'new' ? 1e9 : a) - Number(b === 'new' ? 1e9 : b)))
  }
  await runtime.clock.run(at.close())
})

test('a broker that is away for ten minutes delays rows, and loses, doubles and parks none', async () => {
  const { runtime, store, enqueue, sent, relay, cluster } = relayWorld({ partitions: 3 })
  const at = relay()
  await at.start()
  cluster.unreachable(true)
  for (let minute = 0; minute < 10; minute++) {
    await enqueue(`k1:${minute}`, `k2:${minute}`)
    await runtime.clock.advance(60_000)
  }
  expect(sent()).toEqual([])
  expect(at.health().status).toBe('unhealthy')
  cluster.unreachable(false)
  await runtime.clock.run(at.drained())
  expect([...sent()].filter((value) => value.startsWith('k1'))).toEqual(Array.from({ length: 10 }, (_, i) => `k1:${i}`))
  expect(sent()).toHaveLength(20)
  expect(store.rows()).toEqual([])
  expect(at.health().status).toBe('healthy')
  await runtime.clock.run(at.close())
})

test('a broker that is away does not keep it from beginning, since a service that enqueues has to start', async () => {
  const { runtime, enqueue, sent, relay, cluster } = relayWorld()
  cluster.unreachable(true)
  const at = relay()
  await runtime.clock.run(at.start())
  await enqueue('k1:a')
  await runtime.clock.advance(30_000)
  expect(at.health()).toMatchObject({ state: 'running', status: 'unhealthy' })
  cluster.unreachable(false)
  await runtime.clock.run(at.drained())
  expect(sent()).toEqual(['k1:a'])
  await runtime.clock.run(at.close())
})

test('rows of a bucket that has gone to another worker meanwhile are not marked: it may be reading them', async () => {
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const slow = deferred<void>()
  let isSlow = false
  const old = relay({
    leaseMs: 10_000,
    faults: {
      async before(call) {
        if (isSlow && call === 'lease') throw new Error('no answer')
        if (isSlow && call === 'sent') await slow.promise
      },
    },
  })
  await old.start()
  isSlow = true
  await enqueue('k1:a', 'k1:b')
  await runtime.clock.advance(4_000)
  expect(sent()).toEqual(['k1:a', 'k1:b'])
  const fresh = relay({ leaseMs: 10_000 })
  const held = fresh.driver.hold()
  await fresh.start()
  await runtime.clock.advance(12_000) // it has read both, and is about to send them again
  slow.resolve()
  await runtime.clock.advance(1_000)
  expect(store.rows()).toHaveLength(2)
  held.resolve()
  await runtime.clock.advance(1_000)
  expect(sent()).toEqual(['k1:a', 'k1:b', 'k1:a', 'k1:b'])
  expect(store.rows()).toEqual([])
  isSlow = false
  await runtime.clock.run(Promise.all([fresh.close(), old.close()]))
})

test('a database that is away delays rows; what was acknowledged meanwhile is marked when it is back, and not sent again', async () => {
  let away = false
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const at = relay({
    faults: {
      before(call) {
        if (away) throw new Error(`no answer to ${call}`)
      },
    },
  })
  await at.start()
  const held = at.driver.hold()
  await enqueue('k1:a')
  await runtime.clock.advance(3_000)
  away = true
  held.resolve()
  await runtime.clock.advance(5_000)
  expect(sent()).toEqual(['k1:a'])
  expect(store.rows()).toHaveLength(1)
  await runtime.clock.advance(60_000)
  away = false
  await runtime.clock.run(at.drained())
  expect(sent()).toEqual(['k1:a'])
  expect(store.rows()).toEqual([])
  await runtime.clock.run(at.close())
})

test('workers share the buckets; those of one that dies go to the others within its lease', async () => {
  const { runtime, enqueue, sent, relay } = relayWorld()
  const [one, two] = [relay({ leaseMs: 10_000 }), relay({ leaseMs: 10_000 })]
  await one.start()
  await two.start()
  await runtime.clock.advance(10_000)
  expect(one.health().buckets).toHaveLength(32)
  expect(two.health().buckets).toHaveLength(32)
  expect(new Set([...one.health().buckets, ...two.health().buckets]).size).toBe(64)
  two.client.disconnect()
  await runtime.clock.advance(11_000)
  expect(one.health().buckets).toHaveLength(64)
  await enqueue(...Array.from({ length: 100 }, (_, i) => `k${i}:a`))
  await runtime.clock.run(one.drained())
  expect(sent()).toHaveLength(100)
  await runtime.clock.run(one.close())
})

test('a worker that closes gives its buckets back at once, after what is under way', async () => {
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const at = relay()
  await at.start()
  const held = at.driver.hold()
  await enqueue('k1:a')
  await runtime.clock.advance(3_000)
  const closed = at.close()
  await runtime.clock.advance(1_000)
  expect(store.buckets().some(({ worker }) => worker !== null)).toBe(true)
  held.resolve()
  await runtime.clock.run(closed)
  expect(sent()).toEqual(['k1:a'])
  expect(store.rows()).toEqual([])
  expect(store.buckets().every(({ worker }) => worker === null)).toBe(true)
  await expect(at.start()).rejects.toMatchObject({ code: 'HOLDFAST_CLOSED' })
})

test('a worker that closes while it renews its leases has none when it is gone', async () => {
  const { runtime, store, points, relay } = relayWorld()
  const at = relay({ leaseMs: 10_000 })
  await at.start()
  const renewal = points.holdAt('relay:before-lease')
  await runtime.clock.advance(3_000)
  await renewal.reached
  const closed = at.close()
  await runtime.clock.advance(1_000)
  renewal.release()
  await runtime.clock.run(closed)
  await runtime.clock.advance(1_000)
  expect(store.buckets().filter(({ worker }) => worker !== null)).toEqual([])
})

test('a worker that closes while it opens buckets is at rest at once, and has none', async () => {
  const { runtime, store, enqueue, relay } = relayWorld()
  const opening = deferred<void>()
  let holds = false
  const at = relay({
    leaseMs: 10_000,
    faults: {
      before: async (call) => {
        if (holds && call === 'parkedKeys') await opening.promise
      },
    },
  })
  const other = relay({ leaseMs: 10_000 })
  await other.start()
  await at.start()
  await runtime.clock.advance(10_000)
  expect(at.health().buckets).toHaveLength(32)
  const held = at.driver.hold()
  const mine = at.health().buckets[0]!
  await enqueue(`${Array.from({ length: 1_000 }, (_, i) => `k${i}`).find((key) => bucketOf(key) === mine)!}:a`)
  await runtime.clock.advance(1_000)
  holds = true
  await runtime.clock.run(other.close())
  await runtime.clock.advance(3_000)
  let isClosed = false
  const closed = at.close().then(() => void (isClosed = true))
  await runtime.clock.advance(1_000)
  opening.resolve()
  await runtime.clock.advance(100)
  held.resolve()
  await runtime.clock.advance(1_000)
  expect(isClosed).toBe(true)
  await closed
  expect(store.buckets().filter(({ worker }) => worker !== null)).toEqual([])
})

test('rows of a line that can send nothing go with their buckets, and come again with them', async () => {
  let away = false
  const { runtime, store, enqueue, sent, relay, cluster } = relayWorld()
  const at = relay({
    leaseMs: 10_000,
    maxBufferedRows: 20,
    maxBatchRecords: 5,
    faults: {
      before(call) {
        if (away && call === 'lease') throw new Error('no answer')
      },
    },
  })
  await enqueue(...Array.from({ length: 60 }, (_, i) => `k1:${i}`))
  cluster.partitionUnwritable('letters', true)
  await at.start()
  await runtime.clock.advance(8_000)
  away = true
  await runtime.clock.advance(15_000)
  away = false // its leases have run out: it takes the buckets anew, and what it had in hand is gone
  await runtime.clock.advance(10_000)
  cluster.partitionUnwritable('letters', false)
  await runtime.clock.advance(60_000)
  expect(sent()).toEqual(Array.from({ length: 60 }, (_, i) => `k1:${i}`))
  expect(store.rows()).toEqual([])
  await runtime.clock.run(at.close())
})

test('a bucket that begins anew is not read while rows of it are under way', async () => {
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const at = relay({ leaseMs: 10_000 })
  const twin = Array.from({ length: 1_000 }, (_, i) => `t${i}`).find((key) => bucketOf(key) === bucketOf('k1'))!
  at.driver.answer = (batch, { values }) =>
    values.some((value) => value.includes('bad'))
      ? batch.records.map(() => ({ ok: false as const, error: tooLarge }))
      : undefined
  await at.start()
  await enqueue(`${twin}:bad`)
  await runtime.clock.run(at.drained())
  const held = at.driver.hold()
  await enqueue('k1:a')
  await runtime.clock.advance(1_500)
  await store.operations.discard({ kind: 'all' }) // the generation of both keys' bucket is another one now
  await runtime.clock.advance(4_000)
  held.resolve()
  await runtime.clock.run(at.drained())
  await runtime.clock.advance(10_000)
  expect(sent()).toEqual(['k1:a'])
  await runtime.clock.run(at.close())
})

test('no produce begins that could outlast the lease', async () => {
  let away = false
  const { runtime, enqueue, sent, relay } = relayWorld()
  const at = relay({
    leaseMs: 10_000,
    deliveryTimeoutMs: 5_000,
    faults: {
      before(call) {
        if (away && call === 'lease') throw new Error('no answer')
      },
    },
  })
  await at.start()
  away = true
  await runtime.clock.advance(6_000)
  await enqueue('k1:a')
  await runtime.clock.advance(60_000)
  expect(sent()).toEqual([])
  away = false
  await runtime.clock.run(at.drained())
  expect(sent()).toEqual(['k1:a'])
  await runtime.clock.run(at.close())
})

test('with a transactional id for each bucket, a worker that stood still past its lease writes nothing more', async () => {
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const options = { leaseMs: 10_000, deliveryTimeoutMs: 5_000, transactionalIdPrefix: 'outbox' }
  const old = relay(options)
  await old.start()
  await enqueue('k1:a')
  await runtime.clock.run(old.drained())
  expect(sent()).toEqual(['k1:a'])
  old.client.disconnect() // it renews nothing, and does not know yet
  await enqueue('k1:b')
  const fresh = relay(options)
  await fresh.start()
  await runtime.clock.advance(20_000)
  expect(sent()).toEqual(['k1:a', 'k1:b'])
  expect(store.rows()).toEqual([])
  await runtime.clock.run(fresh.close())
})

test('with a transactional id for each bucket, one that stood still before its transaction began writes nothing either', async () => {
  const { runtime, store, enqueue, sent, relay } = relayWorld()
  const options = { leaseMs: 10_000, deliveryTimeoutMs: 5_000, transactionalIdPrefix: 'outbox' }
  const old = relay(options)
  const standstill = deferred<void>()
  let stands = false
  const { createProducer } = old.driver
  Object.assign(old.driver, {
    createProducer: (given: DriverProducerOptions) => {
      const producer = createProducer(given)
      return {
        ...producer,
        async begin() {
          if (stands) await standstill.promise
          return producer.begin()
        },
      }
    },
  })
  await old.start()
  stands = true
  await enqueue('k1:a')
  await runtime.clock.advance(3_000)
  old.client.disconnect() // it renews nothing, and does not know yet
  const fresh = relay(options)
  await fresh.start()
  await runtime.clock.advance(20_000)
  await enqueue('k1:b')
  await runtime.clock.run(fresh.drained())
  expect(sent()).toEqual(['k1:a', 'k1:b'])
  standstill.resolve()
  await runtime.clock.advance(20_000)
  await enqueue('k1:c')
  await runtime.clock.advance(20_000) // it was fenced off itself, and begins anew
  expect(sent()).toEqual(['k1:a', 'k1:b', 'k1:c'])
  expect(store.rows()).toEqual([])
  await runtime.clock.run(fresh.close())
})

const tooLarge = await import('../../../src/errors/index.ts').then(
  ({ HoldfastError }) => new HoldfastError('HOLDFAST_RECORD_TOO_LARGE', 'too large'),
)

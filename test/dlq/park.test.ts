import { expect, test } from 'vitest'
import type { DeadLetterRequest } from '../../src/dlq/index.ts'
import { createParking } from '../../src/dlq/index.ts'
import type { Driver, DriverProducer } from '../../src/driver/index.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import { silentLogger } from '../../src/logger/index.ts'
import { createInMemoryCluster, inMemoryDriver, virtualRuntime } from '../../src/testing/index.ts'

const request = (over: Partial<DeadLetterRequest['record']> = {}): DeadLetterRequest => ({
  record: {
    topic: 'orders',
    partition: 5,
    offset: 1n,
    key: null,
    value: Buffer.from('v'),
    headers: [],
    timestamp: 0n,
    ...over,
  },
  failure: {
    reason: 'handler-failed',
    attempts: 1,
    firstFailedAt: 0,
    lastFailedAt: 0,
    error: { name: 'E', message: 'm'.repeat(2_000), stack: 's'.repeat(9_000) },
  },
  groupId: 'g',
  messageId: 'm',
  trusted: false,
  traceHeaders: [],
})

async function setup(partitions = 8, change: (driver: Driver) => Driver = (driver) => driver) {
  const runtime = virtualRuntime()
  const cluster = createInMemoryCluster({ runtime, topics: [{ topic: 'orders.dlq', partitions }], latencyMs: 5 })
  const driver = inMemoryDriver({ cluster })
  const parking = createParking({ driver: change(driver), runtime, logger: silentLogger })
  await runtime.run(parking.connect())
  return { runtime, cluster, parking }
}

/** A driver whose producer refuses what is larger than `maxBytes` of headers and value. */
function narrow(driver: Driver, maxBytes: number): Driver {
  const createProducer: Driver['createProducer'] = (options) => {
    const producer = driver.createProducer(options)
    const produce: DriverProducer['produce'] = async (batch, produceOptions) => {
      const size = batch.records.reduce(
        (sum, { value, headers }) =>
          sum + (value?.length ?? 0) + headers.reduce((all, [, each]) => all + (each?.length ?? 0), 0),
        0,
      )
      if (size <= maxBytes) return producer.produce(batch, produceOptions)
      return [{ ok: false, error: new HoldfastError('HOLDFAST_RECORD_TOO_LARGE', 'too large') }]
    }
    return { ...producer, produce }
  }
  return { ...driver, createProducer }
}

test('a dead letter goes to the partition of the record’s own number', async () => {
  const { runtime, parking } = await setup()
  await expect(runtime.run(parking.park('orders.dlq', request()))).resolves.toEqual({
    topic: 'orders.dlq',
    partition: 5,
    offset: 0n,
  })
})

test('where there are too few partitions, all records of one stay together, and so in order', async () => {
  const { runtime, parking } = await setup(3)
  for (const offset of [0n, 1n, 2n]) {
    await expect(runtime.run(parking.park('orders.dlq', request({ offset })))).resolves.toMatchObject({
      partition: 2,
      offset,
    })
  }
})

test('one produce is under way for a partition, in the order of the calls; partitions go side by side', async () => {
  let underWay = 0
  let most = 0
  const counting = (driver: Driver): Driver => ({
    ...driver,
    createProducer(options) {
      const producer = driver.createProducer(options)
      return {
        ...producer,
        async produce(batch, produceOptions) {
          most = Math.max(most, ++underWay)
          const outcomes = await producer.produce(batch, produceOptions)
          underWay--
          return outcomes
        },
      }
    },
  })
  const { runtime, parking } = await setup(8, counting)
  const parked = await runtime.run(
    Promise.all([1n, 2n, 3n].map((offset) => parking.park('orders.dlq', request({ offset })))),
  )
  expect(parked.map(({ offset }) => offset)).toEqual([0n, 1n, 2n])
  expect(most).toBe(1)
  await runtime.run(Promise.all([1, 2].map((partition) => parking.park('orders.dlq', request({ partition })))))
  expect(most).toBe(2)
})

test.each([
  [12_000, true, true],
  [2_000, false, true],
  [500, false, false],
])(
  'what is too large for the broker is parked with less about its error (room for %i bytes)',
  async (room, stack, message) => {
    const { runtime, cluster, parking } = await setup(8, (driver) => narrow(driver, room))
    await runtime.run(parking.park('orders.dlq', request()))
    const [letter] = cluster.records('orders.dlq')
    const names = letter!.headers.map(([name]) => name)
    expect([names.includes('holdfast-dlq-error-stack'), names.includes('holdfast-dlq-error-message')]).toEqual([
      stack,
      message,
    ])
    expect(Buffer.from(letter!.value!).toString()).toBe('v')
  },
)

test('what is too large even so is not dropped: it is unreachable, and the error says for which record and why', async () => {
  const { runtime, parking } = await setup(8, (driver) => narrow(driver, 10))
  await expect(runtime.run(parking.park('orders.dlq', request()))).rejects.toMatchObject({
    code: 'HOLDFAST_DEAD_LETTER_UNREACHABLE',
    retriable: true,
    message: expect.stringMatching(/^orders\[5\]@1 cannot be parked on orders\.dlq \(HOLDFAST_RECORD_TOO_LARGE\)/),
  })
})

test('a dead letter topic that is gone is unreachable, and is found again when it is made', async () => {
  const { runtime, cluster, parking } = await setup()
  const gone = parking.park('gone.dlq', request())
  await expect(runtime.run(gone)).rejects.toMatchObject({
    code: 'HOLDFAST_DEAD_LETTER_UNREACHABLE',
    cause: { code: 'HOLDFAST_TOPIC_UNKNOWN' },
  })
  cluster.createTopic({ topic: 'gone.dlq' })
  await expect(runtime.run(parking.park('gone.dlq', request()))).resolves.toMatchObject({ partition: 0 })
})

test('nothing is written for a partition that went while the write waited for its turn', async () => {
  const { runtime, cluster, parking } = await setup()
  let owned = true
  const first = parking.park('orders.dlq', request())
  const second = parking.park('orders.dlq', request({ offset: 2n }), () => owned)
  owned = false // both are on their way: the first is being written, the second waits for its turn
  const [written, refused] = await runtime.run(Promise.allSettled([first, second]))
  expect(written).toMatchObject({ status: 'fulfilled' })
  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'HOLDFAST_EPOCH_LOST' } })
  expect(cluster.records('orders.dlq')).toHaveLength(1)
})

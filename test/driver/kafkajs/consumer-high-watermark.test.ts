import type { EachBatchPayload } from 'kafkajs'
import { expect, test } from 'vitest'
import { createDelivery } from '../../../src/driver/kafkajs/consumer-delivery.ts'
import { createEpoch } from '../../../src/driver/kafkajs/consumer-epoch.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'

const PARTITION = { topic: 'orders', partition: 0 }

function setup() {
  const ends: bigint[] = []
  const delivery = createDelivery({
    consumer: { pause() {}, resume() {}, seek() {} },
    coordinator: { range: async () => ({ earliest: 0n, latest: 0n }) },
    callbacks: { onBatch: ({ highWatermark }) => void ends.push(highWatermark), onOutOfRange() {} },
    paused: new Set(),
    runtime: virtualRuntime(),
    logger: silentLogger,
    onFailure(error) {
      throw error
    },
  })
  const epoch = createEpoch(1, { memberId: 'm', generation: 1 }, { orders: [0] })
  epoch.phase = 'reading'
  delivery.begin(epoch, [{ ...PARTITION, offset: 20n }])
  const batch = { ...PARTITION, fetchedOffset: '20', messages: [], lastOffset: () => '29' }
  return {
    ends,
    read: (highWatermark: string) =>
      delivery.eachBatch(epoch, {
        batch: { ...batch, highWatermark },
        resolveOffset() {},
      } as unknown as EachBatchPayload),
    filter: (highWatermark: string) =>
      delivery.filtered(epoch, { ...PARTITION, firstOffset: '20', lastOffset: '29', highWatermark }),
  }
}

test('a partition ends where its broker says', () => {
  const { read, ends } = setup()
  read('100')
  expect(ends).toEqual([100n])
})

test('a partition never ends before what was read of it, though a busy broker says so: no lag is negative', () => {
  for (const way of ['read', 'filter'] as const) {
    const world = setup()
    world[way]('25')
    expect(world.ends).toEqual([30n])
  }
})

import type { EachBatchPayload } from 'kafkajs'
import { expect, test } from 'vitest'
import { createDelivery } from '../../../src/driver/kafkajs/consumer-delivery.ts'
import { createEpoch } from '../../../src/driver/kafkajs/consumer-epoch.ts'
import type { Fetched } from '../../../src/driver/kafkajs/fetch-decoding.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import type { InboundRecord } from '../../../src/record/index.ts'
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
  const read = (highWatermark: string, records: readonly InboundRecord[]): void => {
    const fetched: Fetched = { lastOffset: 29n, records: () => records }
    const messages = [{ offset: '29', isControlRecord: false, fetched }]
    const batch = { ...PARTITION, fetchedOffset: '20', messages, highWatermark }
    delivery.eachBatch(epoch, { batch, resolveOffset() {} } as unknown as EachBatchPayload)
  }
  return { ends, read }
}

const RECORD = { ...PARTITION, offset: 29n, key: null, value: null, headers: [], timestamp: 1n }

test('a partition ends where its broker says', () => {
  const { read, ends } = setup()
  read('100', [RECORD])
  expect(ends).toEqual([100n])
})

test('a partition never ends before what was read of it, though a busy broker says so: no lag is negative', () => {
  for (const records of [[RECORD], []]) {
    const { read, ends } = setup()
    read('25', records)
    expect(ends).toEqual([30n])
  }
})

import type { EachBatchPayload } from 'kafkajs'
import { expect, test } from 'vitest'
import { createDelivery } from '../../../src/driver/kafkajs/consumer-delivery.ts'
import type { Epoch } from '../../../src/driver/kafkajs/consumer-epoch.ts'
import { createEpoch } from '../../../src/driver/kafkajs/consumer-epoch.ts'
import type { Fetched } from '../../../src/driver/kafkajs/fetch-decoding.ts'
import { MalformedBatchError } from '../../../src/driver/kafkajs/record-reader.ts'
import { silentLogger } from '../../../src/logger/index.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'

const PARTITION = { topic: 'orders', partition: 0 }

/** A kafkajs consumer that writes down how it is steered, and an epoch that reads orders[0] from 20 on. */
function setup({ range = { earliest: 0n, latest: 100n } } = {}): {
  readonly delivery: ReturnType<typeof createDelivery>
  readonly epoch: Epoch
  readonly trace: string[]
  readonly paused: Set<string>
  /** One with a record at its last offset. */
  readonly batch: (fetchedOffset: number, lastOffset: number) => EachBatchPayload
  /** One of which all records are aborted, or compacted away. */
  readonly emptied: (fetchedOffset: number, lastOffset: number) => EachBatchPayload
  readonly payload: (fetchedOffset: number, messages: readonly object[]) => EachBatchPayload
} {
  const trace: string[] = []
  const paused = new Set<string>()
  const delivery = createDelivery({
    consumer: {
      pause: () => void trace.push('pause'),
      resume: () => void trace.push('resume'),
      seek: ({ offset }) => void trace.push(`seek ${offset}`),
    },
    coordinator: { range: async () => range },
    callbacks: {
      onBatch: ({ epoch: number, records, nextOffset }) => {
        if (nextOffset === 67n) throw new TypeError('a bug of the core')
        trace.push(
          `batch of epoch ${number}: ${[...records].map(({ offset }) => offset).join(' ')}, then ${nextOffset}`,
        )
      },
      onOutOfRange: ({ offset, earliest, latest }) => trace.push(`out of range: ${offset} of ${earliest} to ${latest}`),
    },
    paused,
    runtime: virtualRuntime(),
    logger: silentLogger,
    onFailure: (error) => trace.push(`failed: ${(error as Error).name}`),
  })
  const epoch = createEpoch(7, { memberId: 'm', generation: 3 }, { orders: [0] })
  epoch.phase = 'reading'
  delivery.begin(epoch, [{ ...PARTITION, offset: 20n }])
  trace.length = 0
  const payload = (fetchedOffset: number, messages: readonly object[]): EachBatchPayload => {
    const batch = { ...PARTITION, fetchedOffset: String(fetchedOffset), messages, highWatermark: '100' }
    return { batch, resolveOffset: (offset: string) => trace.push(`resolve ${offset}`) } as unknown as EachBatchPayload
  }
  const emptied = (fetchedOffset: number, lastOffset: number): EachBatchPayload =>
    payload(fetchedOffset, [standIn({ lastOffset: BigInt(lastOffset), records: () => [] })])
  return {
    delivery,
    epoch,
    trace,
    paused,
    payload,
    emptied,
    batch(fetchedOffset, last) {
      const lastOffset = BigInt(last)
      const record = { key: null, value: null, headers: [], timestamp: 1n }
      const records: Fetched['records'] = ({ topic, partition }, from) => {
        expect(from, 'records are asked for from where the fetch began').toBe(BigInt(fetchedOffset))
        return [{ topic, partition, offset: lastOffset, ...record }]
      }
      return payload(fetchedOffset, [standIn({ lastOffset, records })])
    },
  }
}

function standIn(fetched: Fetched): object {
  return { offset: `${fetched.lastOffset}`, isControlRecord: false, fetched }
}

test('hands a batch over, and only then tells kafkajs to go on behind it', () => {
  const { delivery, epoch, trace, batch } = setup()
  delivery.eachBatch(epoch, batch(20, 25))
  expect(trace).toEqual(['batch of epoch 7: 25, then 26', 'resolve 25'])
})

test('drops a batch that another assignment asked for and has the right one fetched, so that nothing between is skipped', () => {
  const { delivery, epoch, trace, batch } = setup()
  delivery.eachBatch(epoch, batch(40, 40))
  delivery.eachBatch(epoch, batch(20, 25))
  expect(trace).toEqual(['seek 20', 'batch of epoch 7: 25, then 26', 'resolve 25'])
})

test('drops what comes for no epoch, an ended one, or a partition of none, without resolving it', () => {
  const { delivery, epoch, trace, batch } = setup()
  delivery.eachBatch(null, batch(20, 25))
  delivery.eachBatch(createEpoch(8, epoch, { other: [0] }), batch(20, 25))
  epoch.phase = 'revoking'
  delivery.halt(epoch)
  delivery.eachBatch(epoch, batch(20, 25))
  expect(trace).toEqual(['pause'])
})

test('drops what was fetched before a pause, and takes it when it is fetched again', () => {
  const { delivery, epoch, trace, paused, batch } = setup()
  paused.add('orders[0]')
  delivery.pauseChanged(epoch, [PARTITION])
  delivery.eachBatch(epoch, batch(20, 25))
  paused.delete('orders[0]')
  delivery.pauseChanged(epoch, [PARTITION])
  delivery.eachBatch(epoch, batch(20, 25))
  expect(trace).toEqual(['pause', 'resume', 'batch of epoch 7: 25, then 26', 'resolve 25'])
})

test('a batch without records is told to the core, so that a commit can pass an aborted transaction at the end', () => {
  const { delivery, epoch, trace, emptied } = setup()
  delivery.eachBatch(epoch, emptied(20, 21))
  expect(trace).toEqual(['batch of epoch 7: , then 22', 'resolve 21'])
})

test('a batch without records moves the position on, so that the batch after it is recognised', () => {
  const { delivery, epoch, trace, batch, emptied } = setup()
  delivery.eachBatch(epoch, emptied(20, 21))
  delivery.eachBatch(epoch, batch(22, 25))
  expect(trace.slice(2)).toEqual(['batch of epoch 7: 25, then 26', 'resolve 25'])
})

test('a batch without records that another assignment asked for is dropped: there are records before it', () => {
  const { delivery, epoch, trace, emptied } = setup()
  delivery.eachBatch(epoch, emptied(40, 40))
  expect(trace).toEqual(['seek 20'])
})

test('a batch without records that comes while the partition is paused is fetched again later', () => {
  const { delivery, epoch, trace, paused, emptied } = setup()
  paused.add('orders[0]')
  delivery.pauseChanged(epoch, [PARTITION])
  delivery.eachBatch(epoch, emptied(20, 21))
  paused.delete('orders[0]')
  delivery.pauseChanged(epoch, [PARTITION])
  delivery.eachBatch(epoch, emptied(20, 21))
  expect(trace).toEqual(['pause', 'resume', 'batch of epoch 7: , then 22', 'resolve 21'])
})

test('an error of the core never reaches kafkajs, and the batch it came from stays unresolved', () => {
  const { delivery, epoch, trace, batch } = setup()
  delivery.eachBatch(epoch, batch(20, 66))
  expect(trace).toEqual(['failed: TypeError'])
})

test('stops a partition whose position is not on the log, and reports where the log begins and ends', async () => {
  const { delivery, epoch, trace, batch } = setup({ range: { earliest: 50n, latest: 90n } })
  delivery.outOfRange(epoch, [PARTITION])
  delivery.eachBatch(epoch, batch(0, 25))
  await Promise.resolve()
  await Promise.resolve()
  expect(trace).toEqual(['pause', 'out of range: 20 of 50 to 90'])

  delivery.seek(epoch, { ...PARTITION, offset: 50n })
  delivery.eachBatch(epoch, batch(50, 60))
  expect(trace.slice(2)).toEqual(['seek 50', 'resume', 'batch of epoch 7: 60, then 61', 'resolve 60'])
})

test('reads on where it stands when the position is on the log after all: the answer was to an older question', async () => {
  const { delivery, epoch, trace } = setup({ range: { earliest: 0n, latest: 90n } })
  delivery.outOfRange(epoch, [PARTITION])
  await Promise.resolve()
  await Promise.resolve()
  expect(trace).toEqual(['pause', 'seek 20', 'resume'])
})

test('a seek that comes during the assignment is the later word', () => {
  const { delivery, trace } = setup()
  const epoch = createEpoch(8, { memberId: 'm', generation: 4 }, { orders: [0] })
  delivery.seek(epoch, { ...PARTITION, offset: 33n })
  epoch.phase = 'reading'
  delivery.begin(epoch, [{ ...PARTITION, offset: 20n }])
  expect(trace).toEqual(['seek 33', 'seek 33', 'resume'])
})

test('an error of the core over a batch without records ends the consumer, and never reaches kafkajs', () => {
  const { delivery, epoch, trace, emptied } = setup()
  delivery.eachBatch(epoch, emptied(20, 66))
  expect(trace).toEqual(['failed: TypeError'])
})

test('records that cannot be read end the consumer: the core hears nothing of their batch, and it stays unresolved', () => {
  const { delivery, epoch, trace, payload } = setup()
  const records = (): never => {
    throw new MalformedBatchError('a record is longer than its batch')
  }
  delivery.eachBatch(epoch, payload(20, [standIn({ lastOffset: 25n, records })]))
  expect(trace).toEqual(['failed: MalformedBatchError'])
})

test('messages that kafkajs has decoded itself end the consumer: it is not the kafkajs this was written for', () => {
  const { delivery, epoch, trace, payload } = setup()
  delivery.eachBatch(epoch, payload(20, [{ offset: '20', isControlRecord: false, headers: {} }]))
  expect(trace).toEqual(['failed: HoldfastError'])
})

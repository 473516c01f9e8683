import { describe, expect, test } from 'vitest'
import type { SeenBatch } from './watched-driver.ts'
import { failureOf, letters, notes, refuse, world } from './world.ts'

const range = (count: number, prefix = 'k:'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
const sizes = (batches: readonly SeenBatch[]): number[] => batches.map(({ values }) => values.length)

describe('batches', () => {
  test('hold what is sent in one turn, without any linger', async () => {
    const { producer, driver } = world({ maxBatchRecords: 1_000 })
    await Promise.all(range(1_000).map((value) => producer.send(letters, value)))
    expect(sizes(driver.batches)).toEqual([1_000])
    await Promise.all(
      range(10).map(async (value) => {
        await Promise.resolve() // as what handlers do before they send
        await producer.send(letters, value)
      }),
    )
    expect(sizes(driver.batches)).toEqual([1_000, 10])
  })

  test('grow with what comes while one is under way, and one of a partition is under way at a time, so that keys keep their order', async () => {
    const { producer, driver, logOf } = world()
    const held = driver.hold()
    const first = producer.send(letters, 'k:0')
    await expect.poll(() => driver.batches.length).toBe(1)
    const later = range(50)
      .slice(1)
      .map((value) => producer.send(letters, value))
    await Promise.resolve()
    held.resolve()
    await Promise.all([first, ...later])
    expect(sizes(driver.batches)).toEqual([1, 49])
    expect(driver.mostSideBySide).toBe(1)
    expect(logOf('letters')).toEqual([range(50)])
  })

  test('of different partitions are under way side by side', async () => {
    const { producer, driver } = world({ partitions: 2 })
    const held = driver.hold()
    const sends = [0, 1].map((partition) => producer.send(letters, 'k:', { partition }))
    await expect.poll(() => driver.batches.map(({ partition }) => partition)).toEqual([0, 1])
    held.resolve()
    await Promise.all(sends)
  })

  test('are bounded by count', async () => {
    const { producer, driver, logOf } = world({ maxBatchRecords: 4 })
    await Promise.all(range(10).map((value) => producer.send(letters, value)))
    expect(sizes(driver.batches)).toEqual([4, 4, 2])
    expect(logOf('letters')).toEqual([range(10)])
  })

  test('are bounded by bytes, and what is larger than the bound goes alone', async () => {
    const { producer, driver, logOf } = world({ maxBatchBytes: 1_000 })
    const values = ['k:a', `k:${'x'.repeat(2_000)}`, 'k:b', 'k:c']
    await Promise.all(values.map((value) => producer.send(letters, value)))
    expect(sizes(driver.batches)).toEqual([1, 1, 2])
    expect(logOf('letters')).toEqual([values])
  })

  test('wait for the linger, and no longer than that, than they are full, or than a flush', async () => {
    const { producer, driver, runtime } = world({ lingerMs: 20, maxBatchRecords: 3 })
    const first = producer.send(letters, 'k:1')
    await runtime.advance(15)
    const second = producer.send(letters, 'k:2')
    await runtime.advance(4)
    expect(driver.batches).toEqual([])
    await runtime.advance(1)
    await Promise.all([first, second])
    expect(sizes(driver.batches)).toEqual([2])

    const full = range(3).map((value) => producer.send(letters, value))
    await Promise.all(full) // time stands still: nothing but the third message ended the wait
    const flushed = producer.send(letters, 'k:3')
    await runtime.advance(1)
    await producer.flush()
    await flushed
    expect(sizes(driver.batches)).toEqual([2, 3, 1])
  })

  test('are compressed as asked', async () => {
    const { producer, driver } = world({ compression: 'gzip' })
    await producer.send(letters, 'k:a')
    expect(driver.batches[0]!.compression).toBe('gzip')
  })
})

test('a sendMany keeps its place among the sends around it', async () => {
  const { producer, logOf } = world()
  const work = [
    producer.send(letters, 'k:1'),
    producer.sendMany([{ topic: letters, value: 'k:2' }]),
    producer.send(letters, 'k:3'),
  ]
  await Promise.all(work)
  expect(logOf('letters')).toEqual([['k:1', 'k:2', 'k:3']])
})

describe('messages without a key', () => {
  test('share one partition a batch and another one the next, so that batches stay large and all partitions get some', async () => {
    const { producer, driver } = world({ partitions: 3 })
    for (let round = 0; round < 12; round++) {
      await Promise.all(range(20).map((value) => producer.send(notes, value)))
    }
    expect(sizes(driver.batches)).toEqual(Array(12).fill(20))
    const partitions = driver.batches.map(({ partition }) => partition)
    expect(new Set(partitions).size).toBe(3)
    expect(partitions.every((partition, i) => partition !== partitions[i + 1])).toBe(true)
  })

  test('go on to another partition when a batch is full', async () => {
    const { producer, driver } = world({ partitions: 3, maxBatchRecords: 10 })
    await Promise.all(range(30).map((value) => producer.send(notes, value)))
    expect(sizes(driver.batches)).toEqual([10, 10, 10])
    expect(new Set(driver.batches.map(({ partition }) => partition)).size).toBeGreaterThan(1)
  })
})

describe('a record that is refused', () => {
  test.each(['HOLDFAST_RECORD_TOO_LARGE', 'HOLDFAST_REFUSED'] as const)(
    'with %s fails alone, and its neighbours are written in their order',
    async (code) => {
      const { producer, driver, logOf } = world()
      driver.answer = ({ records }, { values }) =>
        values.includes('"k:7"') || values.includes('"k:8"') ? refuse(records, code) : undefined
      const outcomes = await Promise.allSettled(range(20).map((value) => producer.send(letters, value)))
      expect(outcomes.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([7, 8])
      expect(logOf('letters')).toEqual([range(20).filter((value) => value !== 'k:7' && value !== 'k:8')])
    },
  )

  test('takes few requests to find', async () => {
    const { producer, driver } = world({ maxBatchRecords: 1_000 })
    driver.answer = ({ records }, { values }) =>
      values.includes('"k:400"') ? refuse(records, 'HOLDFAST_REFUSED') : undefined
    await Promise.allSettled(range(1_000).map((value) => producer.send(letters, value)))
    expect(driver.batches.length).toBeLessThan(25) // two a halving
  })

  test('for the size of its whole batch makes later batches smaller, so that they are not refused too', async () => {
    const { producer, driver, logOf } = world()
    driver.answer = ({ records }) => (records.length > 30 ? refuse(records, 'HOLDFAST_RECORD_TOO_LARGE') : undefined)
    await Promise.all(range(100).map((value) => producer.send(letters, value)))
    const learned = driver.batches.length
    await Promise.all(range(100).map((value) => producer.send(letters, value)))
    expect(
      sizes(driver.batches)
        .slice(learned)
        .every((size) => size <= 30),
    ).toBe(true)
    expect(logOf('letters')).toEqual([[...range(100), ...range(100)]])
  })
})

describe('partitions', () => {
  test('one that is not there is looked for once more, and then refused', async () => {
    const { producer, driver, runtime, cluster } = world()
    const work = failureOf(producer.send(letters, 'k:', { partition: 3 }))
    expect((await work).code).toBe('HOLDFAST_PARTITION_UNKNOWN')
    await runtime.advance(1_000)
    cluster.addPartitions('letters', 4)
    expect((await producer.send(letters, 'k:', { partition: 3 })).partition).toBe(3)
    expect(driver.counted()).toBe(2)
  })

  test('a topic that is not there is looked for once more, since a new one takes a moment to be known', async () => {
    const { producer, cluster, runtime } = world()
    const topic = { ...letters, name: 'new' }
    const late = producer.send(topic, 'k:')
    await Promise.resolve()
    cluster.createTopic({ topic: 'new' })
    await runtime.run(late)
    const missing = failureOf(producer.send({ ...letters, name: 'missing' }, 'k:'))
    expect((await runtime.run(missing)).code).toBe('HOLDFAST_TOPIC_UNKNOWN')
  })

  test('a partition that the broker no longer knows is looked at again, and the order stays', async () => {
    const { producer, driver, runtime, logOf } = world()
    await producer.send(letters, 'k:0')
    await runtime.advance(2_000)
    let failures = 1
    driver.answer = ({ records }) => (failures-- > 0 ? refuse(records, 'HOLDFAST_PARTITION_UNKNOWN') : undefined)
    await runtime.run(Promise.all(['k:1', 'k:2'].map((value) => producer.send(letters, value))))
    expect(logOf('letters')).toEqual([['k:0', 'k:1', 'k:2']])
    failures = 2
    expect((await runtime.run(failureOf(producer.send(letters, 'k:3')))).code).toBe('HOLDFAST_PARTITION_UNKNOWN')
  })

  test('a changed count is reported, since the order of keys breaks there', async () => {
    const changes: unknown[] = []
    const { producer, cluster, runtime, lines } = world({
      partitions: 2,
      onPartitionCountChange: (change) => {
        changes.push(change)
        throw new Error('must not harm the send')
      },
    })
    await producer.send(letters, 'k:')
    cluster.addPartitions('letters', 4)
    await runtime.advance(301_000) // the driver asks again after five minutes
    await producer.send(letters, 'k:') // finds that what it knows is old
    await runtime.advance(0)
    expect(changes).toEqual([{ topic: 'letters', from: 2, to: 4 }])
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
      expect.stringContaining('{"topic":"letters","from":2,"to":4}'),
    ])
  })

  test('a custom partitioner decides, may leave the choice, and is checked', async () => {
    const { producer } = world({
      partitions: 4,
      partitioner: ({ key, partitionCount }) => {
        const text = Buffer.from(key!).toString()
        if (text === 'last') return partitionCount - 1
        if (text === 'throws') throw new Error('secret')
        return text === 'bad' ? 4 : undefined
      },
    })
    expect((await producer.send(letters, 'last:')).partition).toBe(3)
    expect((await producer.send(letters, 'k1:')).partition).toBe(1)
    expect((await failureOf(producer.send(letters, 'bad:'))).code).toBe('HOLDFAST_PARTITION_UNKNOWN')
    const thrown = await failureOf(producer.send(letters, 'throws:'))
    expect([thrown.code, thrown.message.includes('secret')]).toEqual(['HOLDFAST_MESSAGE_INVALID', false])
    expect(thrown.cause).toBeUndefined() // it may quote the key
  })
})

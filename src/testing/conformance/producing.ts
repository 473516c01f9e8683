import assert from 'node:assert/strict'
import { assertRefused, assertRejects, values } from './assertions.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { numbered } from './stage.ts'

/** What a driver promises about writing. */
export const producing: readonly ConformanceCase[] = [
  {
    promise: 'answers with one outcome a record, in order, each with the offset at which the record stands',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      assert.deepEqual(await stage.write(producer, { topic, partition: 0 }, numbered('a', 3)), [0n, 1n, 2n])
      assert.deepEqual(await stage.write(producer, { topic, partition: 0 }, numbered('b', 2)), [3n, 4n])
      const records = await stage.readAll(topic)
      assert.deepEqual(values(records), ['a0', 'a1', 'a2', 'b0', 'b1'])
      assert.deepEqual(
        records.map(({ offset }) => offset),
        [0n, 1n, 2n, 3n, 4n],
      )
    },
  },
  {
    promise: 'writes each record to the partition it names, also when many partitions are written side by side',
    async hold(stage) {
      const topic = await stage.world.topic(4)
      const producer = await stage.producer()
      const written = [0, 1, 2, 3].map(async (partition) => {
        for (let round = 0; round < 5; round++)
          await stage.write(producer, { topic, partition }, numbered(`p${partition}-${round}-`, 4))
      })
      await Promise.all(written)
      const records = await stage.readAll(topic)
      for (const partition of [0, 1, 2, 3]) {
        const expected = [0, 1, 2, 3, 4].flatMap((round) => [0, 1, 2, 3].map((i) => `p${partition}-${round}-${i}`))
        assert.deepEqual(values(records.filter((record) => record.partition === partition)), expected)
      }
    },
  },
  {
    promise: 'says that a topic is unknown, when asked for its partitions and when written to',
    async hold(stage) {
      const producer = await stage.producer()
      const topic = stage.world.group()
      await assertRejects(producer.partitionCount(topic), 'HOLDFAST_TOPIC_UNKNOWN')
      assertRefused(await stage.attempt(producer, { topic, partition: 0 }, numbered('a', 2)), 'HOLDFAST_TOPIC_UNKNOWN')
    },
  },
  {
    promise: 'says that a partition is unknown, and does not write the record to another',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const producer = await stage.producer()
      assert.equal(await producer.partitionCount(topic), 2)
      assertRefused(
        await stage.attempt(producer, { topic, partition: 2 }, numbered('a', 2)),
        'HOLDFAST_PARTITION_UNKNOWN',
      )
      assertRefused(
        await stage.attempt(producer, { topic, partition: 99 }, numbered('a', 1)),
        'HOLDFAST_PARTITION_UNKNOWN',
      )
      assert.deepEqual(await stage.readAll(topic), [])
    },
  },
  {
    promise: 'says that a batch is too large, writes nothing of it, and goes on with the next',
    async hold(stage) {
      const topic = await stage.world.topic(1, { 'max.message.bytes': '4000' })
      const producer = await stage.producer()
      const target = { topic, partition: 0 }
      const large = { value: new Uint8Array(5_000) }
      assertRefused(await stage.attempt(producer, target, [{ value: 'small' }, large]), 'HOLDFAST_RECORD_TOO_LARGE')
      assert.deepEqual(await stage.write(producer, target, [{ value: 'next' }]), [0n])
      assert.deepEqual(values(await stage.readAll(topic)), ['next'])
    },
  },
  {
    promise:
      'keeps the refusal of one partition from its neighbours: what they acknowledge, then and later, is on the log once',
    async hold(stage) {
      const narrow = await stage.world.topic(1, { 'max.message.bytes': '2000' })
      const wide = await stage.world.topic(2)
      const producer = await stage.producer()
      for (let round = 0; round < 6; round++) {
        const [refused] = await Promise.all([
          stage.attempt(producer, { topic: narrow, partition: 0 }, [{ value: new Uint8Array(3_000) }]),
          stage.write(producer, { topic: wide, partition: 0 }, [{ value: `a${round}` }]),
          stage.write(producer, { topic: wide, partition: 1 }, [{ value: `b${round}` }]),
        ])
        assertRefused(refused, 'HOLDFAST_RECORD_TOO_LARGE')
      }
      assert.deepEqual(values(await stage.readAll(wide)), [
        'a0',
        'a1',
        'a2',
        'a3',
        'a4',
        'a5',
        'b0',
        'b1',
        'b2',
        'b3',
        'b4',
        'b5',
      ])
    },
  },
  {
    promise: 'writes a batch once whose answer was lost, and answers with the offset at which it stands',
    claim: ['idempotentProducer', true],
    fault: 'loseNextProduceAnswers',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const target = { topic, partition: 0 }
      const producer = await stage.producer()
      assert.deepEqual(await stage.write(producer, target, numbered('a', 3)), [0n, 1n, 2n])
      await stage.world.faults.loseNextProduceAnswers!(topic, 2)
      assert.deepEqual(await stage.write(producer, target, numbered('b', 2)), [3n, 4n])
      assert.deepEqual(await stage.write(producer, target, numbered('c', 1)), [5n])
      assert.deepEqual(values(await stage.readAll(topic)), ['a0', 'a1', 'a2', 'b0', 'b1', 'c0'])
    },
  },
  {
    promise: 'says that a topic is unknown when it was deleted, and writes to one made anew from its first offset on',
    fault: 'deleteTopic',
    async hold(stage) {
      const [topic, other] = [await stage.world.topic(1), await stage.world.topic(1)]
      const producer = await stage.producer()
      for (const each of [topic, other]) await stage.write(producer, { topic: each, partition: 0 }, numbered('a', 3))
      await stage.world.faults.deleteTopic!(topic)
      assertRefused(await stage.attempt(producer, { topic, partition: 0 }, numbered('b', 1)), 'HOLDFAST_TOPIC_UNKNOWN')
      assert.deepEqual(await stage.write(producer, { topic: other, partition: 0 }, numbered('b', 1)), [3n])
      await (await stage.admin()).createTopics([{ topic }])
      assert.deepEqual(await stage.write(producer, { topic, partition: 0 }, numbered('c', 2)), [0n, 1n])
      assert.deepEqual(values(await stage.readAll(topic)), ['c0', 'c1'])
    },
  },
  {
    promise: 'refuses a record without a key for a compacted topic, writes nothing of its batch, and goes on',
    async hold(stage) {
      const topic = await stage.world.topic(1, { 'cleanup.policy': 'compact' })
      const target = { topic, partition: 0 }
      const producer = await stage.producer()
      assertRefused(await stage.attempt(producer, target, [{ value: 'good' }, { key: null }]), 'HOLDFAST_REFUSED')
      assert.deepEqual(await stage.write(producer, target, [{ value: 'next' }]), [0n])
    },
  },
  {
    promise: 'writes with every compression it names, and reads it back',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      const { compression } = stage.world.driver.capabilities
      assert.ok(compression.includes('none'))
      for (const codec of compression) await stage.write(producer, { topic, partition: 0 }, numbered(codec, 20), codec)
      const expected = compression.flatMap((codec) => Array.from({ length: 20 }, (_, i) => `${codec}${i}`))
      assert.deepEqual(values(await stage.readAll(topic)), expected)
    },
  },
  {
    promise: 'refuses a compression it does not name, and writes nothing',
    claim: ['compression', false],
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      const { compression } = stage.world.driver.capabilities
      const missing = (['snappy', 'lz4', 'zstd', 'gzip'] as const).find((codec) => !compression.includes(codec))!
      assertRefused(await stage.attempt(producer, { topic, partition: 0 }, numbered('a', 1), missing))
      assert.deepEqual(await stage.write(producer, { topic, partition: 0 }, [{ value: 'next' }]), [0n])
    },
  },
  {
    promise: 'counts partitions anew after forgetPartitions',
    fault: 'addPartitions',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      assert.equal(await producer.partitionCount(topic), 1)
      await stage.world.faults.addPartitions!(topic, 3)
      producer.forgetPartitions(topic)
      assert.equal(await producer.partitionCount(topic), 3)
      await stage.write(producer, { topic, partition: 2 }, [{ value: 'new' }])
      assert.deepEqual(values(await stage.readAll(topic)), ['new'])
    },
  },
  {
    promise: 'writes nothing once it is closed, says so, and can be closed twice',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      await stage.write(producer, { topic, partition: 0 }, [{ value: 'before' }])
      await Promise.all([producer.close({ timeoutMs: 5_000 }), producer.close({ timeoutMs: 5_000 })])
      await producer.close({ timeoutMs: 5_000 })
      assertRefused(await stage.attempt(producer, { topic, partition: 0 }, [{ value: 'after' }]), 'HOLDFAST_CLOSED')
      assert.deepEqual(values(await stage.readAll(topic)), ['before'])
    },
  },
  {
    promise: 'acknowledges what was under way when it was closed in time',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      const write = stage.write(producer, { topic, partition: 0 }, [{ value: 'under way' }])
      await producer.close({ timeoutMs: 10_000 })
      assert.deepEqual(await write, [0n])
      assert.deepEqual(values(await stage.readAll(topic)), ['under way'])
    },
  },
  {
    promise: 'has no transactions without a transactional id',
    async hold(stage) {
      const producer = await stage.producer()
      await assertRejects(producer.begin(), 'HOLDFAST_UNSUPPORTED')
    },
  },
]

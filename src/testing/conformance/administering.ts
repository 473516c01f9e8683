import assert from 'node:assert/strict'
import { assertRejects } from './assertions.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { numbered } from './stage.ts'

/** What a driver's admin promises. */
export const administering: readonly ConformanceCase[] = [
  {
    promise: 'counts the partitions of topics that exist, and leaves out those that do not',
    async hold(stage) {
      const [one, three] = [await stage.world.topic(1), await stage.world.topic(3)]
      const admin = await stage.admin()
      const missing = stage.world.group()
      const counts = await admin.partitionCounts([one, missing, three])
      assert.deepEqual([counts.get(one), counts.get(three), counts.has(missing)], [1, 3, false])
      assert.equal((await admin.partitionCounts([])).size, 0)
    },
  },
  {
    promise: 'makes the topics that do not exist, leaves those that do alone, and they can be written at once',
    async hold(stage) {
      const admin = await stage.admin()
      const [old, fresh] = [await stage.world.topic(2), stage.world.group()]
      await admin.createTopics([
        { topic: old, partitions: 5 },
        { topic: fresh, partitions: 3, settings: { 'max.message.bytes': '2000' } },
      ])
      const counts = await admin.partitionCounts([old, fresh])
      assert.deepEqual([counts.get(old), counts.get(fresh)], [2, 3])
      const producer = await stage.producer()
      for (const partition of [0, 1, 2]) await stage.write(producer, { topic: fresh, partition }, numbered('a', 1))
      const [outcome] = await stage.attempt(producer, { topic: fresh, partition: 0 }, [
        { value: new Uint8Array(3_000) },
      ])
      assert.ok(outcome?.ok === false, 'the setting of the new topic holds')
      await admin.createTopics([{ topic: fresh }])
    },
  },
  {
    promise: 'says where each partition begins and ends',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      await stage.write(await stage.producer(), { topic, partition: 1 }, numbered('a', 3))
      const ranges = await (await stage.admin()).offsetRanges(topic)
      assert.deepEqual(
        ranges.toSorted((a, b) => a.partition - b.partition),
        [
          { partition: 0, earliest: 0n, latest: 0n },
          { partition: 1, earliest: 0n, latest: 3n },
        ],
      )
    },
  },
  {
    promise: 'sees the beginning move when records are deleted',
    fault: 'deleteRecordsBefore',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('a', 5))
      await stage.world.faults.deleteRecordsBefore!({ topic, partition: 0, offset: 3n })
      assert.deepEqual(await (await stage.admin()).offsetRanges(topic), [{ partition: 0, earliest: 3n, latest: 5n }])
    },
  },
  {
    promise: 'says that a topic is unknown when asked for its offsets',
    async hold(stage) {
      const admin = await stage.admin()
      await assertRejects(admin.offsetRanges(stage.world.group()), 'HOLDFAST_TOPIC_UNKNOWN')
      await assertRejects(admin.offsetsAt(stage.world.group(), 0), 'HOLDFAST_TOPIC_UNKNOWN')
    },
  },
  {
    promise: 'finds the first offset at or after a time, and the end where there is none',
    async hold(stage) {
      const topic = await stage.world.topic(2, { 'retention.ms': '-1' })
      const at = [1_000n, 2_000n, 3_000n].map((timestamp) => ({ timestamp }))
      const producer = await stage.producer()
      for (const sketch of at) await stage.write(producer, { topic, partition: 0 }, [sketch]) // a batch each: brokers search by batch
      const admin = await stage.admin()
      const found = async (ms: number): Promise<unknown> =>
        (await admin.offsetsAt(topic, ms)).toSorted((a, b) => a.partition - b.partition).map(({ offset }) => offset)
      assert.deepEqual(await found(0), [0n, 0n])
      assert.deepEqual(await found(2_000), [1n, 0n])
      assert.deepEqual(await found(2_001), [2n, 0n])
      assert.deepEqual(await found(3_001), [3n, 0n])
    },
  },
  {
    promise: 'knows what a group has committed, and leaves out partitions without a commit',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const group = stage.world.group()
      const admin = await stage.admin()
      assert.deepEqual(await admin.committedOffsets(group, [topic]), [])
      await stage.write(await stage.producer(), { topic, partition: 1 }, numbered('a', 3))
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length === 3, 'the records')
      const epoch = member.epochOf({ topic, partition: 1 })
      const metadata = stage.world.driver.capabilities.commitMetadata ? 'so far' : ''
      await member.consumer.commit([{ topic, partition: 1, offset: 2n, epoch, metadata }])
      assert.deepEqual(await admin.committedOffsets(group, [topic]), [{ topic, partition: 1, offset: 2n, metadata }])
    },
  },
  {
    promise: 'knows no commit for a topic that does not exist, and tells those of the others all the same',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 1)
      const group = stage.world.group()
      const admin = await stage.admin()
      assert.deepEqual(await admin.committedOffsets(group, [stage.world.group()]), [])
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length === 1, 'the record')
      await member.commitDelivered()
      const committed = await admin.committedOffsets(group, [stage.world.group(), topic])
      assert.deepEqual(
        committed.map((each) => [each.topic, each.offset]),
        [[topic, 1n]],
      )
    },
  },
  {
    promise: 'tells the commits of the topics that were asked for, and of no other',
    async hold(stage) {
      const [asked, other] = [await stage.filledTopic(2, 1), await stage.filledTopic(1, 1)]
      const group = stage.world.group()
      const member = await stage.member(group, [asked, other])
      await stage.until(() => member.records.length === 3, 'the records')
      await member.commitDelivered()
      const admin = await stage.admin()
      assert.deepEqual(
        (await admin.committedOffsets(group, [asked])).map(({ topic, offset }) => [topic, offset]),
        [
          [asked, 1n],
          [asked, 1n],
        ],
      )
      assert.deepEqual(await admin.committedOffsets(group, []), [])
    },
  },
]

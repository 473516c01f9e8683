import assert from 'node:assert/strict'
import { offsetsOf, upTo, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import type { Member } from '../member.ts'
import { numbered } from '../stage.ts'

/** What comes of a position that is not on the log. */
export const outOfRange: readonly ConformanceCase[] = [
  {
    promise: 'reports a position beyond the end, leaves the commit as it is, and goes on from where a seek says',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('a', 3))
      const member = await stage.member(group, [topic], { startAt: () => 1_000n })
      await stage.until(() => member.outOfRange.length > 0, 'the report')
      const [{ epoch, ...report }] = member.outOfRange as [Member['outOfRange'][number]]
      assert.deepEqual(report, { topic, partition: 0, offset: 1_000n, earliest: 0n, latest: 3n })
      assert.deepEqual(await stage.committed(group, topic), [])
      await member.consumer.commit([{ topic, partition: 0, offset: 1n, epoch }])
      assert.deepEqual(
        (await stage.committed(group, topic)).map(({ offset }) => offset),
        [1n],
      )
      member.consumer.seek({ topic, partition: 0, offset: 1n })
      member.consumer.resume([{ topic, partition: 0 }])
      await stage.until(() => member.records.length >= 2, 'the records from there')
      assert.deepEqual(values(member.records), ['a1', 'a2'])
    },
  },
  {
    promise: 'reports a committed offset whose record was deleted, and leaves the commit as it is',
    fault: 'deleteRecordsBefore',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('a', 8))
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= 8, 'the records')
      await first.consumer.commit([{ topic, partition: 0, offset: 2n, epoch: first.epochOf({ topic, partition: 0 }) }])
      await first.consumer.stop()
      await stage.world.faults.deleteRecordsBefore!({ topic, partition: 0, offset: 5n })

      const second = await stage.member(group, [topic])
      await stage.until(() => second.outOfRange.length > 0, 'the report')
      const [{ epoch: _epoch, ...report }] = second.outOfRange as [Member['outOfRange'][number]]
      assert.deepEqual(report, { topic, partition: 0, offset: 2n, earliest: 5n, latest: 8n })
      assert.deepEqual(
        (await stage.committed(group, topic)).map(({ offset }) => offset),
        [2n],
      )
      assert.deepEqual(second.records, [])
      second.consumer.seek({ topic, partition: 0, offset: 5n })
      second.consumer.resume([{ topic, partition: 0 }])
      await stage.until(() => second.records.length >= 3, 'what is left')
      assert.deepEqual(values(second.records), ['a5', 'a6', 'a7'])
    },
  },
  {
    promise:
      'reports an earliest position that went below the log, and takes the first offset that is left for in range',
    fault: 'deleteRecordsBefore',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 6)
      for (const partition of [0, 1]) {
        await stage.world.faults.deleteRecordsBefore!({ topic, partition, offset: 4n })
      }
      const group = stage.world.group()
      const member = await stage.member(group, [topic], {
        startAt: ({ partition }) => (partition === 0 ? 0n : 4n),
      })
      await stage.until(() => member.outOfRange.length > 0 && member.records.length >= 2, 'the report, and the others')
      const [{ epoch: _epoch, ...report }] = member.outOfRange as [Member['outOfRange'][number]]
      assert.deepEqual(report, { topic, partition: 0, offset: 0n, earliest: 4n, latest: 6n })
      assert.deepEqual([offsetsOf(member, 0), offsetsOf(member, 1)], [[], upTo(6, 4)])
      assert.deepEqual(await stage.committed(group, topic), [])
      member.consumer.seek({ topic, partition: 0, offset: 4n })
      await stage.until(() => member.records.length >= 4, 'what is left')
      assert.equal(member.outOfRange.length, 1)
    },
  },
  {
    promise: 'reports it at every start anew, as long as the commit is not on the log',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const group = stage.world.group()
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= 3, 'the records')
      const epoch = first.epochOf({ topic, partition: 0 })
      await first.consumer.commit([{ topic, partition: 0, offset: 1_000n, epoch }]) // brokers store what they are told
      await first.consumer.stop()
      for (let start = 0; start < 2; start++) {
        const next = await stage.member(group, [topic])
        await stage.until(() => next.outOfRange.length > 0, 'the report')
        const [{ offset, latest }] = next.outOfRange as [Member['outOfRange'][number]]
        assert.deepEqual([offset, latest], [1_000n, 3n])
        assert.deepEqual(next.records, [])
        await next.consumer.stop()
        assert.deepEqual(
          (await stage.committed(group, topic)).map((each) => each.offset),
          [1_000n],
        )
      }
    },
  },
  {
    promise: 'reports a seek that leads off the log, each time, while other partitions are read on',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 3)
      const group = stage.world.group()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 6, 'the records')
      for (const [i, offset] of [100n, 200n].entries()) {
        member.consumer.seek({ topic, partition: 0, offset })
        await stage.until(() => member.outOfRange.length > i, 'the report')
        assert.equal(member.outOfRange[i]!.offset, offset)
      }
      const producer = await stage.producer()
      for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('b', 1))
      await stage.until(() => member.of(1).length >= 4, 'the other partition')
      assert.equal(member.of(0).length, 3)
      member.consumer.seek({ topic, partition: 0, offset: 3n })
      await stage.until(() => member.of(0).length >= 4, 'the partition again')
      assert.deepEqual(values(member.of(0)), ['a0', 'a1', 'a2', 'b0'])
      assert.equal(member.outOfRange.length, 2)
      assert.deepEqual(await stage.committed(group, topic), [])
    },
  },
]

import assert from 'node:assert/strict'
import { HoldfastError } from '../../../errors/index.ts'
import { assertRejects, offsetsOf, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import type { RecordSketch, Stage } from '../stage.ts'
import { numbered } from '../stage.ts'

const MINUTE_MS = 60_000n

/** Everything of these topics but their last segment is compacted; a segment ends where a record is a minute younger than its first. */
const COMPACTED = { 'cleanup.policy': 'compact', 'segment.ms': '60000', 'min.cleanable.dirty.ratio': '0.01' }

/** A compacted topic: of a0, b0, a1, a2, b1 only a2 (at 3) and b1 (at 4) are left, then comes `end` (at 5). */
async function compactedTopic(stage: Stage): Promise<string> {
  const topic = await stage.world.topic(1, COMPACTED)
  const producer = await stage.producer()
  const now = BigInt(Math.trunc(stage.world.runtime.clock.now()))
  const write = (sketch: RecordSketch): Promise<unknown> => stage.write(producer, { topic, partition: 0 }, [sketch]) // a batch each
  for (const value of ['a0', 'b0', 'a1', 'a2', 'b1'])
    await write({ key: value.slice(0, 1), value, timestamp: now - 10n * MINUTE_MS })
  await write({ key: 'end', value: 'end', timestamp: now })
  await stage.world.faults.compact!(topic)
  return topic
}

/** What happens to topics while they are read. */
export const topicChanges: readonly ConformanceCase[] = [
  {
    promise: 'delivers what compaction has left, each record at the offset it always had',
    fault: 'compact',
    async hold(stage) {
      const topic = await compactedTopic(stage)
      const member = await stage.member(stage.world.group(), [topic], { holes: () => true })
      await stage.until(() => member.records.length >= 3, 'what is left')
      assert.deepEqual(offsetsOf(member, 0), [3n, 4n, 5n])
      assert.deepEqual(values(member.records), ['a2', 'b1', 'end'])
    },
  },
  {
    promise:
      'passes over what compaction has emptied, from wherever it begins, so that a commit in a gap is no dead end',
    fault: 'compact',
    async hold(stage) {
      const topic = await compactedTopic(stage)
      const group = stage.world.group()
      const first = await stage.member(group, [topic], { holes: () => true, startAt: () => 1n })
      await stage.until(() => first.records.length >= 3, 'what is left')
      await first.consumer.commit([{ topic, partition: 0, offset: 2n, epoch: first.epochOf({ topic, partition: 0 }) }])
      await first.consumer.stop()
      const second = await stage.member(group, [topic], { holes: () => true })
      await stage.until(() => second.records.length >= 3, 'what is left, from the gap on')
      assert.equal(second.assignments[0]!.partitions[0]!.committed?.offset, 2n)
      assert.deepEqual([...offsetsOf(first, 0), ...offsetsOf(second, 0)], [3n, 4n, 5n, 3n, 4n, 5n])
      assert.deepEqual([...first.outOfRange, ...second.outOfRange], [])
    },
  },
  {
    promise:
      'ends with onCrash when its topic is deleted, says why, and does not start as long as there is none of that name',
    fault: 'deleteTopic',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const member = await stage.member(stage.world.group(), [topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      await stage.world.faults.deleteTopic!(topic)
      await stage.until(() => member.crashes.length > 0, 'the crash')
      assert.equal(member.crashes[0]!.code, 'HOLDFAST_CONSUMER_CRASHED')
      assert.ok(HoldfastError.is(member.crashes[0]!.cause, 'HOLDFAST_TOPIC_UNKNOWN'))
      await assertRejects(member.start([topic]), 'HOLDFAST_TOPIC_UNKNOWN')
    },
  },
  {
    promise: 'reads all of a topic that was deleted and made anew, though the old position lies within it',
    fault: 'deleteTopic',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const group = stage.world.group()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      await member.commitDelivered()
      await stage.world.faults.deleteTopic!(topic)
      await stage.until(() => member.crashes.length > 0, 'the crash')
      await stage.until(async () => (await stage.committed(group, topic)).length === 0, 'the commits to go with it')
      await (await stage.admin()).createTopics([{ topic }])
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('b', 5))
      await member.start([topic])
      await stage.until(() => member.records.length >= 8, 'the records of the new one')
      assert.equal(member.assignments.at(-1)!.partitions[0]!.committed, null)
      assert.deepEqual(values(member.records.slice(3)), ['b0', 'b1', 'b2', 'b3', 'b4'])
    },
  },
]

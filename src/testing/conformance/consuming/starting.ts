import assert from 'node:assert/strict'
import { offsetsOf, upTo, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { numbered } from '../stage.ts'

/** Where a member begins to read. */
export const starting: readonly ConformanceCase[] = [
  {
    promise: 'begins where onAssigned says, in each partition by itself',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const producer = await stage.producer()
      for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('a', 10))
      const member = await stage.member(stage.world.group(), [topic], {
        startAt: ({ partition }) => (partition === 0 ? 7n : 2n),
      })
      await stage.until(() => member.records.length >= 11, 'the records from there on')
      assert.deepEqual(offsetsOf(member, 0), upTo(10, 7))
      assert.deepEqual(offsetsOf(member, 1), upTo(10, 2))
    },
  },
  {
    promise: 'begins at the end when told so, and delivers what comes then',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const producer = await stage.producer()
      await stage.write(producer, { topic, partition: 0 }, numbered('old', 5))
      const member = await stage.member(stage.world.group(), [topic], { startAt: () => 5n })
      await stage.until(() => member.assignments.length > 0, 'the assignment')
      await stage.write(producer, { topic, partition: 0 }, numbered('new', 2))
      await stage.until(() => member.records.length >= 2, 'the new records')
      assert.deepEqual(values(member.records), ['new0', 'new1'])
    },
  },
  {
    promise: 'waits with a partition that onAssigned leaves out, until a seek says where it begins',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const producer = await stage.producer()
      for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('a', 4))
      const member = await stage.member(stage.world.group(), [topic], {
        startAt: ({ partition }) => (partition === 0 ? undefined : 0n),
      })
      await stage.until(() => member.of(1).length >= 4, 'the other partition')
      await stage.write(producer, { topic, partition: 1 }, numbered('b', 1))
      await stage.until(() => member.of(1).length >= 5, 'the other partition again')
      assert.deepEqual(offsetsOf(member, 0), [])
      member.consumer.seek({ topic, partition: 0, offset: 2n })
      await stage.until(() => member.of(0).length >= 2, 'the partition that waited')
      assert.deepEqual(offsetsOf(member, 0), [2n, 3n])
    },
  },
  {
    promise: 'delivers nothing before onAssigned has resolved, whatever there is to read',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 5)
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      const member = await stage.member(stage.world.group(), [topic], { startAt: () => 2n, onAssigned: () => held })
      await stage.until(() => member.assignments.length > 0, 'the assignment')
      const witness = await stage.member(stage.world.group(), [topic])
      await stage.until(() => witness.records.length >= 5, 'the records at another reader')
      assert.deepEqual(member.batches, [])
      release()
      await stage.until(() => member.records.length >= 3, 'the records')
      assert.deepEqual(offsetsOf(member, 0), upTo(5, 2))
    },
  },
  {
    promise: 'asks at every assignment anew where to begin, and begins there, commit or not',
    rebalance: 'eager',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 4)
      const group = stage.world.group()
      let assignments = 0
      const first = await stage.member(group, [topic], {
        startAt: () => (assignments === 0 ? 0n : 1n),
        onAssigned: () => void assignments++,
        onRevoked: async () => {},
      })
      await stage.until(() => first.records.length >= 8, 'the records')
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
      await stage.until(() => first.records.length >= 11, 'the records again')
      assert.deepEqual(offsetsOf(first, first.owned()[0]!.partition).slice(4), [1n, 2n, 3n])
    },
  },
]

import assert from 'node:assert/strict'
import { offsetsOf, upTo, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { numbered } from '../stage.ts'

/** How the core goes somewhere else on the log. */
export const seeking: readonly ConformanceCase[] = [
  {
    promise: 'goes on where a seek says, back or forth, also when it comes in the middle of a delivery',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const producer = await stage.producer()
      const partition = { topic, partition: 0 }
      await stage.write(producer, partition, numbered('a', 10))
      let sought = false
      const member = await stage.member(group, [topic], {
        onBatch(_batch, { consumer }) {
          if (sought) return
          sought = true
          consumer.seek({ ...partition, offset: 6n })
        },
      })
      await stage.until(() => member.batches.length > 1, 'the batch after the seek')
      assert.equal([...member.batches[1]!.records][0]!.offset, 6n)
      const before = member.records.length
      await stage.until(() => member.records.at(-1)?.offset === 9n, 'the end')
      member.consumer.seek({ ...partition, offset: 1n })
      await stage.until(
        () => member.records.length >= before + 9 && member.records.at(-1)?.offset === 9n,
        'the records again',
      )
      const again = member.records
        .slice(member.records.findLastIndex(({ offset }) => offset === 1n))
        .map(({ offset }) => offset)
      assert.deepEqual(again, upTo(10, 1))
      assert.deepEqual(await stage.committed(group, topic), [])
    },
  },
  {
    promise: 'delivers records again when a seek goes back in the middle of a delivery',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 6)
      let sought = false
      const member = await stage.member(stage.world.group(), [topic], {
        startAt: () => 3n,
        onBatch(_batch, { consumer }) {
          if (sought) return
          sought = true
          consumer.seek({ topic, partition: 0, offset: 1n })
        },
      })
      await stage.until(() => member.batches.length > 1 && member.records.at(-1)?.offset === 5n, 'the records again')
      assert.equal([...member.batches[0]!.records][0]!.offset, 3n)
      const again = member.batches.slice(1).flatMap(({ records }) => [...records].map(({ offset }) => offset))
      assert.deepEqual(again, upTo(6, 1))
    },
  },
  {
    promise: 'lets a seek that comes during the assignment be the later word',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 5)
      const member = await stage.member(stage.world.group(), [topic], {
        startAt: ({ partition }) => (partition === 0 ? 0n : undefined),
        onAssigned: (_partitions, { consumer }) => {
          for (const partition of [0, 1]) consumer.seek({ topic, partition, offset: 3n })
        },
      })
      await stage.until(() => member.records.length >= 4, 'the records')
      assert.deepEqual([offsetsOf(member, 0), offsetsOf(member, 1)], [upTo(5, 3), upTo(5, 3)])
    },
  },
  {
    promise: 'goes where a seek says that comes right after the assignment, before anything was read',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 9)
      let sought: number | undefined
      const member = await stage.member(stage.world.group(), [topic], {
        onAssigned(_partitions, { consumer, batches }) {
          // A turn later, when the driver has the start positions and has begun to read.
          void stage.world.runtime.clock.sleep(0).then(() => {
            sought = batches.length // some may have come: after the seek nothing of them does
            consumer.seek({ topic, partition: 0, offset: 7n })
          })
        },
      })
      await stage.until(() => sought !== undefined && member.batches.length > sought, 'the batch after the seek')
      await stage.until(() => member.records.at(-1)?.offset === 8n, 'the end')
      const after = member.batches.slice(sought).flatMap(({ records }) => [...records].map(({ offset }) => offset))
      assert.deepEqual(after, [7n, 8n])
    },
  },
  {
    promise: 'remembers a seek of a paused partition until it is resumed, and commits nothing by it',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const group = stage.world.group()
      const producer = await stage.producer()
      const partition = { topic, partition: 0 }
      await stage.write(producer, partition, numbered('a', 8))
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 8, 'the records')
      member.consumer.pause([partition])
      member.consumer.seek({ ...partition, offset: 5n })
      await stage.write(producer, { topic, partition: 1 }, numbered('b', 1))
      await stage.until(() => member.of(1).length >= 1, 'the other partition')
      assert.equal(member.of(0).length, 8)
      member.consumer.resume([partition])
      await stage.until(() => member.of(0).length >= 11, 'what comes from there')
      assert.deepEqual(offsetsOf(member, 0).slice(8), [5n, 6n, 7n])
      assert.deepEqual(await stage.committed(group, topic), [])
    },
  },
  {
    promise: 'goes forwards too from a seek of a paused partition, past records that it never delivers',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 2)
      const partition = { topic, partition: 0 }
      const member = await stage.member(stage.world.group(), [topic])
      await stage.until(() => member.records.length >= 2, 'the records')
      member.consumer.pause([partition])
      await stage.write(await stage.producer(), partition, numbered('b', 6))
      member.consumer.seek({ ...partition, offset: 6n })
      member.consumer.resume([partition])
      await stage.until(() => member.records.length >= 4, 'what comes from there')
      assert.deepEqual(offsetsOf(member, 0), [0n, 1n, 6n, 7n])
    },
  },
  {
    promise: 'goes where the last of several seeks says, and leaves the other partitions where they are',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 5)
      const member = await stage.member(stage.world.group(), [topic])
      await stage.until(() => member.records.length >= 10, 'the records')
      for (const offset of [0n, 4n, 2n]) member.consumer.seek({ topic, partition: 0, offset })
      const producer = await stage.producer()
      for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('b', 1))
      await stage.until(() => member.of(0).length >= 9 && member.of(1).length >= 6, 'the records again, and new ones')
      assert.deepEqual(offsetsOf(member, 0).slice(5), upTo(6, 2))
      assert.deepEqual(offsetsOf(member, 1), upTo(6))
    },
  },
  {
    promise: 'does nothing with a seek of a partition that is not assigned, or before the start',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const member = stage.newMember(stage.world.group())
      member.consumer.seek({ topic, partition: 0, offset: 2n })
      await member.start([topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      member.consumer.seek({ topic, partition: 99, offset: 1n })
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('b', 1))
      await stage.until(() => member.records.length >= 4, 'the next record')
      assert.deepEqual(offsetsOf(member, 0), upTo(4))
      assert.deepEqual(member.events, ['assigned'])
    },
  },
  {
    promise: 'forgets a seek with its epoch: the next assignment begins where onAssigned says',
    rebalance: 'eager',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 5)
      const both = [0, 1].map((partition) => ({ topic, partition }))
      const group = stage.world.group()
      const first = await stage.member(group, [topic], { onRevoked: async () => {} })
      await stage.until(() => first.records.length >= 10, 'the records')
      const { epoch } = first.owned()[0]!
      await first.consumer.commit(both.map((partition) => ({ ...partition, offset: 4n, epoch })))
      first.consumer.pause(both)
      for (const partition of both) first.consumer.seek({ ...partition, offset: 1n })
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
      first.consumer.resume(both)
      await stage.until(() => first.records.length >= 11 && second.records.length >= 1, 'what was not committed')
      assert.deepEqual([...values(first.records.slice(10)), ...values(second.records)], ['a4', 'a4'])
    },
  },
]

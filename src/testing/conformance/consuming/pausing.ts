import assert from 'node:assert/strict'
import { offsetsOf, upTo, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { numbered } from '../stage.ts'
import type { TopicPartition } from '../../../record/index.ts'

/** How the core holds a partition back. */
export const pausing: readonly ConformanceCase[] = [
  {
    promise: 'delivers nothing of a paused partition, and all of it once it is resumed',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const producer = await stage.producer()
      const paused = { topic, partition: 0 }
      const other = { topic, partition: 1 }
      await stage.write(producer, paused, numbered('a', 3))
      const member = await stage.member(stage.world.group(), [topic], {
        onBatch: ({ partition }, { consumer }) => void (partition === 0 && consumer.pause([paused])),
      })
      await stage.until(() => member.of(0).length > 0, 'the first batch')
      const before = member.of(0).length
      for (let round = 0; round < 5; round++) {
        await stage.write(producer, paused, numbered(`b${round}-`, 2))
        await stage.write(producer, other, numbered(`c${round}-`, 2))
        await stage.until(() => member.of(1).length >= 2 * (round + 1), 'the other partition')
      }
      assert.equal(member.of(0).length, before, 'a paused partition was delivered')
      const resumeUntilAll = async (): Promise<void> => {
        while (member.of(0).length < 13) {
          const so = member.of(0).length
          member.consumer.resume([paused]) // every batch pauses it again
          await stage.until(() => member.of(0).length > so, 'what waited')
        }
      }
      await resumeUntilAll()
      assert.deepEqual(offsetsOf(member, 0), upTo(13))
    },
  },
  {
    promise: 'delivers nothing of a partition that was paused before it was assigned, or while it was',
    async hold(stage) {
      const topic = await stage.filledTopic(3, 3)
      const [before, during, other] = [0, 1, 2].map((partition) => ({ topic, partition })) as [
        TopicPartition,
        TopicPartition,
        TopicPartition,
      ]
      const member = stage.newMember(stage.world.group(), {
        onAssigned: (_partitions, { consumer }) => consumer.pause([during]),
      })
      member.consumer.pause([before])
      await member.start([topic])
      await stage.until(() => member.of(2).length >= 3, 'the other partition')
      await stage.write(await stage.producer(), other, numbered('b', 1))
      await stage.until(() => member.of(2).length >= 4, 'the other partition again')
      assert.deepEqual([offsetsOf(member, 0), offsetsOf(member, 1)], [[], []])
      member.consumer.resume([before, during])
      await stage.until(() => member.records.length >= 10, 'what waited')
      assert.deepEqual([offsetsOf(member, 0), offsetsOf(member, 1)], [upTo(3), upTo(3)])
    },
  },
  {
    promise: 'takes a second pause or resume for the first, and none for partitions that are not there',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const [own, foreign] = [
        { topic, partition: 0 },
        { topic, partition: 99 },
      ]
      const member = await stage.member(stage.world.group(), [topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      member.consumer.resume([own, foreign])
      member.consumer.pause([own, foreign])
      member.consumer.pause([own])
      member.consumer.resume([own])
      await stage.write(await stage.producer(), own, numbered('b', 3))
      await stage.until(() => member.records.length >= 6, 'what came meanwhile')
      assert.deepEqual(offsetsOf(member, 0), upTo(6))
      assert.deepEqual(member.events, ['assigned'])
    },
  },
  {
    promise: 'keeps a partition paused through a rebalance until it is resumed, so that back-pressure outlives it',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const group = stage.world.group()
      const producer = await stage.producer()
      const both = [0, 1].map((partition) => ({ topic, partition }))
      const first = await stage.member(group, [topic])
      await stage.until(() => first.owned().length === 2, 'the assignment')
      first.consumer.pause(both)
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
      for (const partition of both) await stage.write(producer, partition, numbered('a', 3))
      await stage.until(() => second.records.length >= 3, 'the records of the other member')
      assert.deepEqual(first.records, [])
      first.consumer.resume(both)
      await stage.until(() => first.records.length >= 3, 'what waited')
      assert.deepEqual(values(first.records), ['a0', 'a1', 'a2'])
    },
  },
  {
    promise: 'keeps a partition paused through a crash and the next start',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 3)
      const [paused, other] = [0, 1].map((partition) => ({ topic, partition })) as [TopicPartition, TopicPartition]
      let faulty = true
      const member = stage.newMember(stage.world.group(), {
        onBatch() {
          if (faulty) throw new Error('a bug of the core')
        },
      })
      member.consumer.pause([paused])
      await member.start([topic])
      await stage.until(() => member.crashes.length > 0, 'the crash')
      faulty = false
      await member.start([topic])
      await stage.until(() => member.assignments.length > 1, 'the next assignment')
      await stage.write(await stage.producer(), other, numbered('b', 1))
      await stage.until(() => member.records.at(-1)?.offset === 3n, 'the other partition')
      assert.deepEqual(offsetsOf(member, 0), [])
      member.consumer.resume([paused])
      await stage.until(() => member.of(0).length >= 3, 'what waited')
    },
  },
]

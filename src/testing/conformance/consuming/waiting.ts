import assert from 'node:assert/strict'
import { HoldfastError } from '../../../errors/index.ts'
import { values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { numbered } from '../stage.ts'

/** What a consumer does while the coordinator of its group cannot answer. */
export const waiting: readonly ConformanceCase[] = [
  {
    promise: 'joins when the coordinator has loaded, and begins at the commit that it has loaded',
    fault: 'coordinatorLoading',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const group = stage.world.group()
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= 3, 'the records')
      await first.consumer.commit([{ topic, partition: 0, offset: 1n, epoch: first.epochOf({ topic, partition: 0 }) }])
      await first.consumer.stop()
      await stage.world.faults.coordinatorLoading!(group, true)
      const joining = stage.member(group, [topic])
      const witness = await stage.member(stage.world.group(), [topic])
      await stage.until(() => witness.records.length >= 3, 'the records at a group that has loaded')
      await stage.world.faults.coordinatorLoading!(group, false)
      const second = await joining
      await stage.until(() => second.records.length >= 2, 'what was not committed')
      assert.deepEqual([values(second.records), second.events], [['a1', 'a2'], ['assigned']])
    },
  },
  {
    promise: 'keeps its partitions and reads on while the coordinator loads; a commit is refused for now, then taken',
    fault: 'coordinatorLoading',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const group = stage.world.group()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      await stage.world.faults.coordinatorLoading!(group, true)
      await assert.rejects(member.commitDelivered(), (error) => HoldfastError.is(error, 'HOLDFAST_UNAVAILABLE'))
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('b', 2))
      await stage.until(() => member.records.length >= 5, 'records meanwhile')
      await stage.world.faults.coordinatorLoading!(group, false)
      await member.commitDelivered()
      assert.deepEqual(
        (await stage.committed(group, topic)).map(({ offset }) => offset),
        [5n],
      )
      assert.deepEqual(member.events, ['assigned'])
    },
  },
]

import assert from 'node:assert/strict'
import { assertRejects, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import type { Member } from '../member.ts'
import type { Stage } from '../stage.ts'
import { numbered } from '../stage.ts'

/** Two members of a group of which the second has come later: the first keeps one partition and has given the other back. */
async function kept(
  stage: Stage,
  onRevoked?: Parameters<Stage['member']>[2],
): Promise<{ topic: string; group: string; first: Member; second: Member }> {
  const topic = await stage.filledTopic(2, 3)
  const group = stage.world.group()
  const first = await stage.member(group, [topic], onRevoked)
  await stage.until(() => first.records.length >= 6, 'the records')
  const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
  return { topic, group, first, second }
}

/** What members keep in a cooperative rebalance. */
export const keeping: readonly ConformanceCase[] = (
  [
    {
      promise: 'takes only what goes to another member; the rest stays in its epoch, and is read on from where it was',
      async hold(stage) {
        const { topic, first, second } = await kept(stage)
        await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
        const [{ partition, epoch }] = first.owned() as [ReturnType<Member['owned']>[number]]
        assert.equal(epoch, first.assignments[0]!.epoch)
        assert.deepEqual(
          first.revocations.map(({ partitions }) => partitions.map((each) => each.partition)),
          [[1 - partition]],
        )
        const producer = await stage.producer()
        for (const each of [0, 1]) await stage.write(producer, { topic, partition: each }, numbered('b', 2))
        await stage.settle(topic, first, second)
        assert.deepEqual(values(first.of(partition)).slice(0, 5), ['a0', 'a1', 'a2', 'b0', 'b1'])
        assert.deepEqual(values(second.records).slice(0, 2), ['b0', 'b1'])
      },
    },
    {
      promise: 'goes on with what stays, and takes commits for it, while it drains what goes',
      async hold(stage) {
        let release = (): void => {}
        const held = new Promise<void>((resolve) => (release = resolve))
        const { topic, group, first, second } = await kept(stage, {
          onRevoked: (_partitions, _epoch, member) => held.then(() => member.commitDelivered()),
        })
        await stage.until(() => first.events.includes('revoking'), 'the revocation')
        const producer = await stage.producer()
        for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('b', 2))
        await stage.until(() => first.records.length >= 8, 'the records of what stays')
        const { partition } = first.records.at(-1)!
        const { epoch } = first.assignments[0]!
        await first.consumer.commit([{ topic, partition, offset: 5n, epoch }])
        assert.deepEqual(
          (await stage.committed(group, topic)).map((each) => [each.partition, each.offset]),
          [[partition, 5n]],
        )
        release()
        await stage.until(() => second.owned().length === 1, 'what went')
        await stage.until(() => second.records.length >= 2, 'the rest of it')
        assert.deepEqual([values(second.records), first.records.length], [['b0', 'b1'], 8])
      },
    },
    {
      promise: 'refuses a commit for what went, alone or beside what stayed, and takes one for what stayed',
      async hold(stage) {
        const { topic, group, first, second } = await kept(stage)
        await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
        const [stays] = first.owned() as [ReturnType<Member['owned']>[number]]
        const went = { ...stays, partition: 1 - stays.partition, offset: 1n }
        await assertRejects(first.consumer.commit([went]), 'HOLDFAST_EPOCH_LOST')
        await assertRejects(first.consumer.commit([{ ...stays, offset: 1n }, went]), 'HOLDFAST_EPOCH_LOST')
        await first.consumer.commit([{ topic, partition: stays.partition, epoch: stays.epoch, offset: 2n }])
        const committed = await stage.committed(group, topic)
        assert.equal(committed.find(({ partition }) => partition === stays.partition)?.offset, 2n)
        assert.equal(committed.find(({ partition }) => partition !== stays.partition)?.offset, 3n)
      },
    },
    {
      promise: 'gives a member that joined later its own epoch for what comes, and loses all of them together',
      fault: 'expireSessions',
      async hold(stage) {
        const { group, first, second } = await kept(stage)
        await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
        await second.consumer.stop()
        await stage.until(() => first.owned().length === 2, 'both partitions again')
        const epochs = first.owned().map(({ epoch }) => epoch)
        assert.equal(new Set(epochs).size, 2)
        await stage.world.faults.expireSessions!(group)
        await stage.until(() => first.losses.length === 2, 'both losses')
        assert.deepEqual(first.losses.map(({ epoch }) => epoch).toSorted(), epochs.toSorted())
        await stage.until(() => first.owned().length === 2, 'the next assignment')
      },
    },
  ] satisfies ConformanceCase[]
).map((each) => ({ rebalance: 'cooperative', ...each }))

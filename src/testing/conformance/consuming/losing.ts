import assert from 'node:assert/strict'
import { HoldfastError } from '../../../errors/index.ts'
import { assertRejects, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { numbered } from '../stage.ts'

/** How a membership ends without the core's will. */
export const losing: readonly ConformanceCase[] = [
  {
    promise: 'reports a membership that ended as lost, refuses commits for it, and joins again in a later epoch',
    fault: 'expireSessions',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const producer = await stage.producer()
      await stage.write(producer, { topic, partition: 0 }, numbered('a', 3))
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      const { epoch } = member.owned()[0]!
      await stage.world.faults.expireSessions!(group)
      // It does not know yet: the refusal is the broker's.
      await assertRejects(member.consumer.commit([{ topic, partition: 0, offset: 3n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      await stage.until(() => member.losses.length > 0, 'the loss')
      assert.deepEqual(member.losses, [{ partitions: [{ topic, partition: 0 }], epoch }])
      await assertRejects(member.consumer.commit([{ topic, partition: 0, offset: 3n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      await stage.until(() => member.assignments.length > 1, 'the next assignment')
      assert.deepEqual(member.revocations, [])
      await stage.until(() => member.records.length >= 6, 'the records again, since nothing was committed')
      assert.deepEqual(values(member.records.slice(3, 6)), ['a0', 'a1', 'a2'])
    },
  },
  {
    promise: 'gives the partitions of a member that was lost to the others, who read on from its last commit',
    fault: 'expireSessions',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 4)
      const group = stage.world.group()
      const zombie = await stage.member(group, [topic], { onRevoked: async () => {} })
      const other = await stage.member(group, [topic], { driver: stage.world.otherDriver, onRevoked: async () => {} })
      await stage.until(() => zombie.owned().length === 1 && other.owned().length === 1, 'one partition for each')
      const [lost] = zombie.owned() as [{ topic: string; partition: number; epoch: number }]
      await stage.until(() => zombie.of(lost.partition).length >= 4, 'the records')
      await zombie.consumer.commit([{ ...lost, offset: 3n }])
      const losses = zombie.losses.length

      await stage.world.faults.expireSessions!(group, stage.world.driver.clientId)
      await stage.until(() => zombie.losses.length > losses, 'the loss')
      assert.equal(zombie.losses.at(-1)!.epoch, lost.epoch)
      await assertRejects(zombie.consumer.commit([{ ...lost, offset: 4n }]), 'HOLDFAST_EPOCH_LOST')
      await zombie.consumer.stop()
      await stage.until(() => other.owned().length === 2, 'both partitions')
      const found = other.assignments
        .flatMap(({ partitions }) => partitions)
        .findLast(({ partition }) => partition === lost.partition)
      assert.equal(found?.committed?.offset, 3n)
      await stage.until(() => other.of(lost.partition).some(({ offset }) => offset === 3n), 'what was not committed')
    },
  },
  {
    promise: 'can be started again after it ended by itself, and goes on from the commit in a later epoch',
    fault: 'crashConsumers',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const producer = await stage.producer()
      await stage.write(producer, { topic, partition: 0 }, numbered('a', 4))
      const member = await stage.member(group, [topic], { onRevoked: async () => {} })
      await stage.until(() => member.records.length >= 4, 'the records')
      const { epoch } = member.owned()[0]!
      await member.consumer.commit([{ topic, partition: 0, offset: 3n, epoch }])
      await stage.world.faults.crashConsumers!(group)
      await stage.until(() => member.crashes.length === 1, 'the crash')
      await assertRejects(member.consumer.commit([{ topic, partition: 0, offset: 4n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      await member.start([topic])
      await stage.until(() => member.records.length >= 5, 'the record that was not committed')
      assert.deepEqual(values(member.records.slice(4)), ['a3'])
    },
  },
  {
    promise:
      'ends with onCrash when onBatch throws, commits nothing, and delivers the records again after the next start',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 4)
      const group = stage.world.group()
      let faulty = true
      const member = await stage.member(group, [topic], {
        onBatch() {
          if (faulty) throw new Error('a bug of the core')
        },
      })
      await stage.until(() => member.crashes.length > 0, 'the crash')
      assert.deepEqual(
        member.crashes.map(({ code }) => code),
        ['HOLDFAST_CONSUMER_CRASHED'],
      )
      const { epoch } = member.assignments[0]!
      await assertRejects(member.consumer.commit([{ topic, partition: 0, offset: 4n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      assert.deepEqual(await stage.committed(group, topic), [])
      faulty = false
      const before = member.records.length
      await member.start([topic])
      await stage.until(() => member.records.length >= before + 4, 'the records again')
      assert.deepEqual(values(member.records.slice(before)), ['a0', 'a1', 'a2', 'a3'])
    },
  },
  {
    promise: 'ends with onCrash when onAssigned rejects, names the reason, delivers nothing, and can be started again',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 2)
      let faulty = true
      const member = await stage.member(stage.world.group(), [topic], {
        async onAssigned() {
          if (faulty) throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the core cannot go on')
        },
      })
      await stage.until(() => member.crashes.length > 0, 'the crash')
      assert.equal(member.crashes[0]!.code, 'HOLDFAST_CONSUMER_CRASHED')
      assert.ok(HoldfastError.is(member.crashes[0]!.cause, 'HOLDFAST_CONFIG_INVALID'))
      assert.deepEqual(member.batches, [])
      faulty = false
      await member.start([topic])
      await stage.until(() => member.records.length >= 2, 'the records')
      assert.equal(member.crashes.length, 1)
    },
  },
  {
    promise: 'ends with onCrash when onRevoked rejects, and the partitions go to the others',
    async hold(stage) {
      const topic = await stage.filledTopic(2, 2)
      const group = stage.world.group()
      const first = await stage.member(group, [topic], {
        async onRevoked() {
          throw new Error('a bug of the core')
        },
      })
      await stage.until(() => first.records.length >= 4, 'the records')
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.crashes.length > 0, 'the crash')
      assert.equal(first.crashes[0]!.code, 'HOLDFAST_CONSUMER_CRASHED')
      await stage.until(
        () => second.owned().length === 2 && second.records.length >= 4,
        'all, since nothing was committed',
      )
      assert.deepEqual(values(second.records).toSorted(), ['a0', 'a0', 'a1', 'a1'])
    },
  },
]

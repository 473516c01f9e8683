import assert from 'node:assert/strict'
import { assertRejects, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { LAST, numbered } from '../stage.ts'

/** How partitions go to another member while they are still owned. */
export const handingOver: readonly ConformanceCase[] = [
  {
    promise:
      'lets a member drain and commit before its partitions go: across the handover nothing is lost and nothing doubled',
    claim: ['revoke', true],
    async hold(stage) {
      const topic = await stage.world.topic(4)
      const group = stage.world.group()
      const producer = await stage.producer()
      const writeRound = (round: number): Promise<unknown> =>
        Promise.all(
          [0, 1, 2, 3].map((partition) =>
            stage.write(producer, { topic, partition }, numbered(`${partition}-${round}-`, 5)),
          ),
        )
      const first = await stage.member(group, [topic])
      await writeRound(0)
      await stage.until(() => first.records.length >= 20, 'the first records')
      const joining = stage.member(group, [topic], { driver: stage.world.otherDriver })
      for (let round = 1; round < 10; round++) await writeRound(round) // goes on while the group rebalances
      const second = await joining
      await stage.until(() => first.owned().length === 2 && second.owned().length === 2, 'two partitions for each')
      for (let round = 10; round < 15; round++) await writeRound(round)
      await stage.settle(topic, first, second)

      const all = values([...first.records, ...second.records]).filter((value) => value !== LAST)
      assert.equal(new Set(all).size, 300, 'nothing is lost')
      assert.equal(all.length, 300, 'nothing is doubled')
    },
  },
  {
    promise: 'keeps the group waiting while a member drains, and still takes its commits then',
    claim: ['revoke', true],
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const group = stage.world.group()
      const producer = await stage.producer()
      for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('a', 3))
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      const first = await stage.member(group, [topic], {
        async onRevoked(_partitions, _epoch, member) {
          await held
          await member.commitDelivered()
        },
      })
      await stage.until(() => first.records.length >= 6, 'the records')
      const before = first.consumer.lastHeartbeatAt()!
      const joining = stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.events.includes('revoking'), 'the revocation')
      await stage.until(() => first.consumer.lastHeartbeatAt()! > before + 1_000, 'heartbeats while it drains')
      assert.deepEqual(await stage.committed(group, topic), [])
      release()
      const second = await joining
      await stage.until(() => second.assignments.length > 0 && second.owned().length === 1, 'the new assignment')
      assert.deepEqual(
        second.assignments.at(-1)?.partitions.map(({ committed }) => committed?.offset),
        [3n],
      )
      await stage.until(() => first.owned().length === 1, 'what it keeps')
      assert.deepEqual(values(second.records), [])
    },
  },
  {
    promise: 'counts a commit inside onRevoked, and refuses one after it',
    rebalance: 'eager',
    claim: ['revoke', true],
    async hold(stage) {
      const topic = await stage.filledTopic(2, 3)
      const group = stage.world.group()
      const first = await stage.member(group, [topic], {
        onRevoked: (partitions, epoch, { consumer }) =>
          consumer.commit(partitions.map((partition) => ({ ...partition, offset: 2n, epoch }))),
      })
      await stage.until(() => first.records.length >= 6, 'the records')
      const { epoch } = first.owned()[0]!
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver, onRevoked: async () => {} })
      await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
      for (const partition of [0, 1]) {
        await assertRejects(first.consumer.commit([{ topic, partition, offset: 3n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      }
      assert.deepEqual(
        (await stage.committed(group, topic)).map(({ offset }) => offset),
        [2n, 2n],
      )
      for (const member of [first, second]) {
        assert.deepEqual(
          member.assignments.at(-1)!.partitions.map(({ committed }) => committed?.offset),
          [2n],
        )
      }
      await stage.until(() => first.records.length >= 7 && second.records.length >= 1, 'what was not committed')
      assert.deepEqual([...values(first.records.slice(6)), ...values(second.records)], ['a2', 'a2'])
    },
  },
  {
    promise: 'delivers nothing more of partitions that are being given back',
    rebalance: 'eager',
    claim: ['revoke', true],
    async hold(stage) {
      const topic = await stage.filledTopic(2, 3)
      const group = stage.world.group()
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      const first = await stage.member(group, [topic], {
        async onRevoked(_partitions, _epoch, member) {
          await held
          await member.commitDelivered()
        },
      })
      await stage.until(() => first.records.length >= 6, 'the records')
      const joining = stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.events.includes('revoking'), 'the revocation')
      const producer = await stage.producer()
      for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('b', 2))
      const witness = await stage.member(stage.world.group(), [topic])
      await stage.until(() => witness.records.length >= 10, 'the records at another reader')
      assert.equal(first.records.length, 6)
      release()
      const second = await joining
      await stage.until(() => first.records.length + second.records.length >= 10, 'the rest')
      assert.deepEqual([...values(first.records.slice(6)), ...values(second.records)], ['b0', 'b1', 'b0', 'b1'])
    },
  },
  {
    promise:
      'gives partitions on when the core does not finish within the rebalance timeout, and refuses its late commit',
    claim: ['revoke', true],
    async hold(stage) {
      const topic = await stage.filledTopic(2, 3)
      const group = stage.world.group()
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      const first = await stage.member(group, [topic], { rebalanceTimeoutMs: 5_000, onRevoked: () => held })
      await stage.until(() => first.records.length >= 6, 'the records')
      const { epoch } = first.owned()[0]!
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver, onRevoked: async () => {} })
      await stage.until(() => second.records.length >= 3, 'records of a partition at the next owner')
      assert.deepEqual(first.revocations, [])
      for (const partition of [0, 1]) {
        await assertRejects(first.consumer.commit([{ topic, partition, offset: 3n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      }
      assert.deepEqual(await stage.committed(group, topic), [])
      release()
      await stage.until(() => first.owned().length === 1 && first.owned()[0]!.epoch > epoch, 'the next assignment')
    },
  },
  {
    promise: 'lets an assignment come to its end before it is taken back, so that the core never has two at once',
    claim: ['revoke', true],
    async hold(stage) {
      const topic = await stage.filledTopic(2, 3)
      const group = stage.world.group()
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      const first = await stage.member(group, [topic], { onAssigned: () => held })
      await stage.until(() => first.assignments.length > 0, 'the assignment')
      const before = first.consumer.lastHeartbeatAt()!
      const joining = stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(
        () => first.consumer.lastHeartbeatAt()! > before + 1_000,
        'heartbeats that tell of the rebalance',
      )
      assert.deepEqual(first.events, ['assigned'])
      release()
      const second = await joining
      await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
      assert.deepEqual(first.events.slice(0, 4), ['assigned', 'revoking', 'revoked', 'assigned'])
      await stage.until(
        () =>
          new Set([...first.records, ...second.records].map(({ partition, offset }) => `${partition}/${offset}`))
            .size === 6,
        'all records',
      )
    },
  },
]

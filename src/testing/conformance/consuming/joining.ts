import assert from 'node:assert/strict'
import type { Failpoint } from '../../../clock/index.ts'
import { assertRejects, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import type { Member } from '../member.ts'
import { LAST, numbered } from '../stage.ts'

/** How members share a group, come and leave. */
export const joining: readonly ConformanceCase[] = [
  {
    promise: 'assigns every partition to the first member, in one epoch, without a commit',
    async hold(stage) {
      const [one, two] = [await stage.world.topic(3), await stage.world.topic(1)]
      const member = await stage.member(stage.world.group(), [one, two])
      await stage.until(() => member.assignments.length > 0, 'the assignment')
      const [{ partitions }] = member.assignments as [Member['assignments'][number]]
      const named = partitions.map(({ topic, partition }) => `${topic}/${partition}`).toSorted()
      assert.deepEqual(named, [`${one}/0`, `${one}/1`, `${one}/2`, `${two}/0`].toSorted())
      assert.deepEqual(
        partitions.map(({ committed }) => committed),
        [null, null, null, null],
      )
      assert.deepEqual(member.revocations, [])
    },
  },
  {
    promise: 'shares the partitions among the members: each has one owner, and each new record one reader',
    async hold(stage) {
      const topic = await stage.filledTopic(4, 5)
      const group = stage.world.group()
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= 20, 'the records')
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length === 2 && second.owned().length === 2, 'two partitions for each')
      const owners = [...first.owned(), ...second.owned()].map(({ partition }) => partition)
      assert.deepEqual(owners.toSorted(), [0, 1, 2, 3])

      const producer = await stage.producer()
      for (const partition of [0, 1, 2, 3]) await stage.write(producer, { topic, partition }, numbered('b', 3))
      await stage.settle(topic, first, second)
      assert.equal(first.records.length, 20 + 2 * 4)
      for (const { partition } of second.owned()) {
        assert.deepEqual(values(second.of(partition)), ['b0', 'b1', 'b2', LAST])
      }
    },
  },
  {
    promise: 'gives a member for whom no partition is left an empty assignment, and partitions once others leave',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const first = await stage.member(group, [topic])
      await stage.until(() => first.owned().length === 1, 'the assignment')
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(
        () => second.assignments.length > 0 && first.owned().length + second.owned().length === 1,
        'both assignments',
      )
      const [busy, idle] = first.owned().length === 1 ? [first, second] : [second, first]
      await busy.consumer.stop()
      await stage.until(() => idle.owned().length === 1, 'the partition of the one that left')
    },
  },
  {
    promise: 'gives partitions on at once when a member stops, long before its session would end',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const group = stage.world.group()
      const { clock } = stage.world.runtime
      const first = await stage.member(group, [topic], { sessionTimeoutMs: 30_000 })
      const second = await stage.member(group, [topic], { sessionTimeoutMs: 30_000, driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length === 1 && second.owned().length === 1, 'one partition for each')
      const leftAt = clock.monotonic()
      await first.consumer.stop()
      await stage.until(() => second.owned().length === 2, 'both partitions')
      assert.ok(clock.monotonic() - leftAt < 15_000, 'the group waited for the session to end')
    },
  },
  {
    promise:
      'commits nothing by itself when it stops: the next owner begins at the last commit, not at the last record',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 4)
      const group = stage.world.group()
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= 4, 'the records')
      await first.consumer.commit([{ topic, partition: 0, offset: 2n, epoch: first.epochOf({ topic, partition: 0 }) }])
      await first.consumer.stop()
      assert.deepEqual(
        (await stage.committed(group, topic)).map(({ offset }) => offset),
        [2n],
      )
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => second.records.length >= 2, 'what was not committed')
      assert.deepEqual(values(second.records), ['a2', 'a3'])
    },
  },
  {
    promise: 'keeps two groups apart: each reads everything, and the commit of one is none of the other',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 4)
      const [one, other] = [stage.world.group(), stage.world.group()]
      const members = [await stage.member(one, [topic]), await stage.member(other, [topic])]
      await stage.until(() => members.every(({ records }) => records.length >= 4), 'the records, twice')
      for (const { records } of members) assert.deepEqual(values(records), ['a0', 'a1', 'a2', 'a3'])
      await members[0]!.consumer.commit([
        { topic, partition: 0, offset: 3n, epoch: members[0]!.epochOf({ topic, partition: 0 }) },
      ])
      assert.deepEqual(
        (await stage.committed(one, topic)).map(({ offset }) => offset),
        [3n],
      )
      assert.deepEqual(await stage.committed(other, topic), [])
    },
  },
  {
    promise: 'hands new partitions of a topic out at the next rebalance, if not before',
    fault: 'addPartitions',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const first = await stage.member(group, [topic])
      await stage.until(() => first.owned().length === 1, 'the assignment')
      await stage.world.faults.addPartitions!(topic, 3)
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length + second.owned().length === 3, 'the new partitions')
      await stage.write(await stage.producer(), { topic, partition: 2 }, numbered('new', 1))
      await stage.until(() => first.of(2).length + second.of(2).length === 1, 'the record of a new one')
    },
  },
  {
    promise: 'says that a topic is unknown instead of waiting for it',
    async hold(stage) {
      await assertRejects(stage.member(stage.world.group(), [stage.world.group()]), 'HOLDFAST_TOPIC_UNKNOWN')
    },
  },
  {
    promise: 'refuses to be started while it is, and the membership goes on',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const member = await stage.member(stage.world.group(), [topic])
      await stage.until(() => member.owned().length === 1, 'the assignment')
      await assertRejects(member.start([topic]), 'HOLDFAST_REFUSED')
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('a', 2))
      await stage.until(() => member.records.length >= 2, 'the records')
      assert.deepEqual(member.events, ['assigned'])
    },
  },
  {
    promise: 'stops as often as it is asked to, side by side too and before it was started, and starts no more',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const never = stage.newMember(stage.world.group())
      await never.consumer.stop()
      await never.consumer.stop()
      await assertRejects(never.start([topic]), 'HOLDFAST_CLOSED')

      const member = await stage.member(stage.world.group(), [topic])
      await stage.until(() => member.owned().length === 1, 'the assignment')
      await Promise.all([member.consumer.stop(), member.consumer.stop()])
      await member.consumer.stop()
      await assertRejects(member.start([topic]), 'HOLDFAST_CLOSED')
      assert.deepEqual(member.events, ['assigned'])
    },
  },
  {
    promise: 'leaves no member behind when it is stopped while it starts, so that the group does not wait for it',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const { runtime } = stage.world
      // At once, then each time one failpoint further; with the assignment, where a driver has no more of them.
      for (const moment of [0, 1, 2, 3]) {
        const group = stage.world.group()
        let passed = 0
        let stopping: Promise<void> | undefined
        const failpoint: Failpoint = (name) => {
          if (++passed === moment) stopping = first.consumer.stop()
          return runtime.failpoint(name)
        }
        const first = stage.newMember(group, { sessionTimeoutMs: 30_000, runtime: { ...runtime, failpoint } })
        const ended = first.start([topic]).catch(() => {}) // refused or not: it depends on how far it was
        if (moment > 0)
          await stage.until(() => stopping !== undefined || first.assignments.length > 0, `moment ${moment}`)
        await (stopping ?? first.consumer.stop())
        await ended
        const since = runtime.clock.monotonic()
        const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
        await stage.until(() => second.owned().length === 2, 'both partitions')
        assert.ok(runtime.clock.monotonic() - since < 15_000, `the group waited for the session (moment ${moment})`)
        await second.consumer.stop()
      }
    },
  },
  {
    promise:
      'keeps the membership by itself, for longer than the session, while nothing is asked of it and all is paused',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('a', 1))
      const sessionTimeoutMs = 6_000 // the least that brokers take: group.min.session.timeout.ms
      const member = await stage.member(group, [topic], {
        sessionTimeoutMs,
        onBatch: ({ topic: of, partition }, { consumer }) => consumer.pause([{ topic: of, partition }]),
      })
      await stage.until(() => member.records.length >= 1, 'the record')
      const since = stage.world.runtime.clock.monotonic()
      await stage.until(
        () => (member.consumer.lastHeartbeatAt() ?? 0) > since + sessionTimeoutMs + 1_000,
        'heartbeats past the session',
      )
      assert.deepEqual(member.events, ['assigned'])
      await member.commitDelivered()
      assert.deepEqual(
        (await stage.committed(group, topic)).map(({ offset }) => offset),
        [1n],
      )
    },
  },
  {
    promise: 'says when the group last confirmed the membership: null before the start, then later and later',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const { clock } = stage.world.runtime
      const member = stage.newMember(stage.world.group())
      assert.equal(member.consumer.lastHeartbeatAt(), null)
      const before = clock.monotonic()
      await member.start([topic])
      await stage.until(() => member.owned().length === 1, 'the assignment')
      const atFirst = member.consumer.lastHeartbeatAt()!
      assert.ok(atFirst >= before && atFirst <= clock.monotonic(), 'the join counts as confirmed')
      for (let beat = 0, last = atFirst; beat < 3; beat++) {
        await stage.until(() => member.consumer.lastHeartbeatAt()! > last, 'the next heartbeat')
        last = member.consumer.lastHeartbeatAt()!
        assert.ok(last <= clock.monotonic())
      }
    },
  },
]

import assert from 'node:assert/strict'
import { assertRejects, values } from './assertions.ts'
import type { ConformanceCase } from './conformance-case.ts'
import type { Member } from './member.ts'
import { numbered } from './stage.ts'

const offsetsOf = (member: Member, partition: number): bigint[] => member.of(partition).map(({ offset }) => offset)
const upTo = (count: number, from = 0): bigint[] => Array.from({ length: count - from }, (_, i) => BigInt(i + from))

/** What a driver's consumer promises. Every member also holds each single callback to the port; see `member.ts`. */
export const consuming: readonly ConformanceCase[] = [
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
    promise: 'delivers every record of every partition, in offset order',
    async hold(stage) {
      const topic = await stage.world.topic(3)
      const producer = await stage.producer()
      const member = await stage.member(stage.world.group(), [topic])
      for (let round = 0; round < 10; round++) {
        await Promise.all(
          [0, 1, 2].map((partition) => stage.write(producer, { topic, partition }, numbered(`${round}-`, 20))),
        )
      }
      await stage.until(() => member.records.length >= 600, 'all 600 records')
      for (const partition of [0, 1, 2]) assert.deepEqual(offsetsOf(member, partition), upTo(200))
    },
  },
  {
    promise: 'delivers records that are larger than a fetch of one partition may bring',
    async hold(stage) {
      const topic = await stage.world.topic(1, { 'max.message.bytes': '3000000' })
      const producer = await stage.producer()
      const member = await stage.member(stage.world.group(), [topic])
      await stage.write(producer, { topic, partition: 0 }, [{ value: new Uint8Array(2_000_000) }])
      await stage.write(producer, { topic, partition: 0 }, [{ value: 'after' }])
      await stage.until(() => member.records.length >= 2, 'the large record and the next')
      assert.deepEqual(
        member.records.map(({ value }) => value?.length),
        [2_000_000, 5],
      )
    },
  },
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
    promise: 'hands a later member of the group the commit, with its metadata, and goes on from there',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const producer = await stage.producer()
      await stage.write(producer, { topic, partition: 0 }, numbered('a', 6))
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= 6, 'the records')
      const metadata = stage.world.driver.capabilities.commitMetadata ? 'ranges: 4,6 ✓' : ''
      await first.consumer.commit([
        { topic, partition: 0, offset: 4n, epoch: first.epochOf({ topic, partition: 0 }), metadata },
      ])
      await first.consumer.stop()

      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => second.records.length >= 2, 'what was not committed')
      assert.deepEqual(
        second.assignments[0]?.partitions.map(({ committed }) => committed),
        [{ offset: 4n, metadata }],
      )
      assert.deepEqual(values(second.records), ['a4', 'a5'])
    },
  },
  {
    promise: 'commits again in the same epoch: the last commit counts, a lower one too',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('a', 6))
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 6, 'the records')
      const epoch = member.epochOf({ topic, partition: 0 })
      const admin = await stage.admin()
      for (const offset of [3n, 6n, 6n, 2n]) {
        await member.consumer.commit([{ topic, partition: 0, offset, epoch }])
        assert.deepEqual(
          (await admin.committedOffsets(group, [topic])).map((each) => each.offset),
          [offset],
        )
      }
    },
  },
  {
    promise:
      'refuses a commit under an epoch that is over, for a partition it lost and for one it kept, and sends nothing',
    async hold(stage) {
      const topic = await stage.world.topic(2)
      const group = stage.world.group()
      const producer = await stage.producer()
      for (const partition of [0, 1]) await stage.write(producer, { topic, partition }, numbered('a', 5))
      const first = await stage.member(group, [topic], { onRevoked: async () => {} })
      await stage.until(() => first.records.length >= 10, 'the records')
      const epoch = first.epochOf({ topic, partition: 0 })
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(
        () => first.owned().length === 1 && second.owned().length === 1 && first.assignments.length > 1,
        'one partition for each',
      )

      for (const { partition } of [...first.owned(), ...second.owned()]) {
        await assertRejects(first.consumer.commit([{ topic, partition, offset: 5n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      }
      const kept = first.owned()[0]!
      const mixed = [
        { topic, partition: kept.partition, offset: 3n, epoch: kept.epoch },
        { topic, partition: second.owned()[0]!.partition, offset: 3n, epoch: kept.epoch },
      ]
      await assertRejects(first.consumer.commit(mixed), 'HOLDFAST_EPOCH_LOST')
      assert.deepEqual(await (await stage.admin()).committedOffsets(group, [topic]), [])
      await first.consumer.commit(mixed.slice(0, 1))
    },
  },
  {
    promise:
      'lets a member drain and commit before its partitions go: across the handover nothing is lost and nothing doubled',
    when: ({ revoke }) => revoke === 'before',
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
      await stage.until(() => first.records.length + second.records.length >= 300, 'all 300 records')

      const all = values([...first.records, ...second.records]).toSorted()
      assert.equal(new Set(all).size, 300, 'nothing is lost')
      assert.equal(all.length, 300, 'nothing is doubled')
    },
  },
  {
    promise: 'keeps the group waiting while a member drains, and still takes its commits then',
    when: ({ revoke }) => revoke === 'before',
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
      const unowned = await stage.admin()
      assert.deepEqual(await unowned.committedOffsets(group, [topic]), [])
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
      const heard = first.events.length
      await first.consumer.stop()
      assert.equal(first.events.length, heard)
    },
  },
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
      assert.equal(member.batches[1]!.records[0]!.offset, 6n)
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
      assert.deepEqual(await (await stage.admin()).committedOffsets(group, [topic]), [])
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
      assert.deepEqual(await (await stage.admin()).committedOffsets(group, [topic]), [])
    },
  },
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
      assert.deepEqual(await (await stage.admin()).committedOffsets(group, [topic]), [])
      await member.consumer.commit([{ topic, partition: 0, offset: 1n, epoch }])
      assert.deepEqual(
        (await (await stage.admin()).committedOffsets(group, [topic])).map(({ offset }) => offset),
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
      await stage.world.faults!.deleteRecordsBefore!({ topic, partition: 0, offset: 5n })

      const second = await stage.member(group, [topic])
      await stage.until(() => second.outOfRange.length > 0, 'the report')
      const [{ epoch: _epoch, ...report }] = second.outOfRange as [Member['outOfRange'][number]]
      assert.deepEqual(report, { topic, partition: 0, offset: 2n, earliest: 5n, latest: 8n })
      assert.deepEqual(
        (await (await stage.admin()).committedOffsets(group, [topic])).map(({ offset }) => offset),
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
        (await (await stage.admin()).committedOffsets(group, [topic])).map(({ offset }) => offset),
        [1n],
      )
    },
  },
  {
    promise: 'says that a topic is unknown instead of waiting for it',
    async hold(stage) {
      await assertRejects(stage.member(stage.world.group(), [stage.world.group()]), 'HOLDFAST_TOPIC_UNKNOWN')
    },
  },
  {
    promise:
      'counts filtered records into the next offset, so that a commit can pass a transaction that was rolled back',
    when: ({ transactions }) => transactions,
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const target = { topic, partition: 0 }
      const producer = await stage.producer({ transactionalId: stage.world.group() })
      const transaction = await producer.begin()
      await stage.write(transaction, target, numbered('never', 5))
      await transaction.abort()
      // The marker is written some time after the answer: it may stand before this record or after it.
      const [offset] = await stage.write(await stage.producer(), target, [{ value: 'after' }])
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 1, 'the record after')
      assert.deepEqual(values(member.records), ['after'])
      assert.ok(member.batches.at(-1)!.nextOffset > offset!)
      await member.commitDelivered()
      const committed = await (await stage.admin()).committedOffsets(group, [topic])
      assert.deepEqual(
        committed.map((each) => each.offset),
        [member.batches.at(-1)!.nextOffset],
      )
    },
  },
  {
    promise: 'tells of a transaction that was rolled back even when no record follows it, so that a commit can pass it',
    when: ({ transactions }) => transactions,
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const target = { topic, partition: 0 }
      const producer = await stage.producer({ transactionalId: stage.world.group() })
      const transaction = await producer.begin()
      const never = await stage.write(transaction, target, numbered('never', 5))
      await transaction.abort()
      const member = await stage.member(stage.world.group(), [topic])
      await stage.until(() => (member.batches.at(-1)?.nextOffset ?? 0n) > never.at(-1)!, 'the end of the transaction')
      assert.deepEqual(member.records, [])
    },
  },
  {
    promise: 'carries offsets beyond 2^53 exactly, across gaps, in records and in commits',
    fault: 'skipOffsetsTo',
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const producer = await stage.producer()
      const far = 2n ** 60n + 1n
      await stage.write(producer, { topic, partition: 0 }, numbered('near', 2))
      await stage.world.faults!.skipOffsetsTo!({ topic, partition: 0, offset: far })
      assert.deepEqual(await stage.write(producer, { topic, partition: 0 }, numbered('far', 3)), [
        far,
        far + 1n,
        far + 2n,
      ])
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= 5, 'the records')
      assert.deepEqual(offsetsOf(first, 0), [0n, 1n, far, far + 1n, far + 2n])
      await first.consumer.commit([
        { topic, partition: 0, offset: far + 1n, epoch: first.epochOf({ topic, partition: 0 }) },
      ])
      await first.consumer.stop()
      const second = await stage.member(group, [topic])
      await stage.until(() => second.records.length >= 2, 'what is left')
      assert.deepEqual(values(second.records), ['far1', 'far2'])
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
      await stage.world.faults!.addPartitions!(topic, 3)
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length + second.owned().length === 3, 'the new partitions')
      await stage.write(await stage.producer(), { topic, partition: 2 }, numbered('new', 1))
      await stage.until(() => first.of(2).length + second.of(2).length === 1, 'the record of a new one')
    },
  },
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
      await stage.world.faults!.expireSessions!(group)
      // It does not know yet: the refusal is the broker's.
      await assertRejects(member.consumer.commit([{ topic, partition: 0, offset: 3n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      await stage.until(() => member.losses.length > 0, 'the loss')
      assert.deepEqual(member.losses, [{ partitions: [{ topic, partition: 0 }], epoch }])
      await assertRejects(member.consumer.commit([{ topic, partition: 0, offset: 3n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      await stage.until(() => member.assignments.length > 1, 'the next assignment')
      assert.deepEqual(member.revocations, [])
      await stage.until(() => member.records.length >= 6, 'the records again, since nothing was committed')
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
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 4, 'the records')
      const { epoch } = member.owned()[0]!
      await member.consumer.commit([{ topic, partition: 0, offset: 3n, epoch }])
      await stage.world.faults!.crashConsumers!(group)
      await stage.until(() => member.crashes.length === 1, 'the crash')
      await assertRejects(member.consumer.commit([{ topic, partition: 0, offset: 4n, epoch }]), 'HOLDFAST_EPOCH_LOST')
      await member.start([topic])
      await stage.until(() => member.records.length >= 5, 'the record that was not committed')
      assert.deepEqual(values(member.records.slice(4)), ['a3'])
    },
  },
]

import assert from 'node:assert/strict'
import { offsetsOf, upTo, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { numbered } from '../stage.ts'

/** What comes, in which order, and how far it reaches. */
export const delivering: readonly ConformanceCase[] = [
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
      await stage.settle(topic, member)
      for (const partition of [0, 1, 2]) assert.deepEqual(offsetsOf(member, partition), upTo(200 + 1))
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
    promise: 'says with each batch where the partition ends, so that the distance to it is known',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 5)
      const member = await stage.member(stage.world.group(), [topic], { startAt: () => 3n })
      await stage.until(() => member.records.length >= 2, 'the records')
      assert.equal(member.batches[0]!.highWatermark, 5n)
      await stage.write(await stage.producer(), { topic, partition: 0 }, numbered('b', 2))
      await stage.until(() => member.records.length >= 4, 'the next records')
      assert.equal(member.batches.at(-1)!.highWatermark, 7n)
    },
  },
  {
    promise:
      'counts filtered records into the next offset, so that a commit can pass a transaction that was rolled back',
    claim: ['transactions', true],
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
      const committed = await stage.committed(group, topic)
      assert.deepEqual(
        committed.map((each) => each.offset),
        [member.batches.at(-1)!.nextOffset],
      )
    },
  },
  {
    promise: 'tells of a transaction that was rolled back even when no record follows it, so that a commit can pass it',
    claim: ['transactions', true],
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
    promise: 'counts the end of a committed transaction into the next offset, so that no lag of one stays for ever',
    claim: ['transactions', true],
    async hold(stage) {
      const topic = await stage.world.topic(1)
      const group = stage.world.group()
      const producer = await stage.producer({ transactionalId: stage.world.group() })
      const transaction = await producer.begin()
      await stage.write(transaction, { topic, partition: 0 }, numbered('a', 2))
      await transaction.commit()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.batches.at(-1)?.nextOffset === 3n, 'the end of the transaction')
      assert.deepEqual(offsetsOf(member, 0), [0n, 1n])
      await member.commitDelivered()
      const [range] = await (await stage.admin()).offsetRanges(topic)
      assert.deepEqual(
        (await stage.committed(group, topic)).map(({ offset }) => offset),
        [range!.latest],
      )
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
      await stage.world.faults.skipOffsetsTo!({ topic, partition: 0, offset: far })
      assert.deepEqual(await stage.write(producer, { topic, partition: 0 }, numbered('far', 3)), [
        far,
        far + 1n,
        far + 2n,
      ])
      const first = await stage.member(group, [topic], { holes: () => true })
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
]

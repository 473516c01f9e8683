import assert from 'node:assert/strict'
import { assertRejects, values } from '../assertions.ts'
import type { ConformanceCase } from '../conformance-case.ts'
import { numbered } from '../stage.ts'

/** What a commit stores, and which commits are refused. */
export const committing: readonly ConformanceCase[] = [
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
    promise: 'keeps the metadata of each partition for the next owner: none, every kind of letter, 4,000 bytes',
    claim: ['commitMetadata', true],
    async hold(stage) {
      const texts = ['', '4-7,9 ✓ é 🚀 "\\" \u0000 \n', 'x'.repeat(4_000), 'é'.repeat(2_000)]
      const topic = await stage.filledTopic(texts.length, 1)
      const group = stage.world.group()
      const first = await stage.member(group, [topic])
      await stage.until(() => first.records.length >= texts.length, 'the records')
      const { epoch } = first.owned()[0]!
      await first.consumer.commit(
        texts.map((metadata, partition) => ({ topic, partition, offset: 1n, epoch, metadata })),
      )
      const stored = texts.map((metadata, partition) => ({ partition, offset: 1n, metadata }))
      assert.deepEqual(await stage.committed(group, topic), stored)
      await first.consumer.stop()

      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => second.assignments.length > 0, 'the assignment')
      const found = second.assignments[0]!.partitions.map(({ partition, committed }) => ({ partition, ...committed }))
      assert.deepEqual(
        found.toSorted((a, b) => a.partition - b.partition),
        stored,
      )
    },
  },
  {
    promise: 'forgets the metadata with the next commit that has none, so that it never speaks of another offset',
    claim: ['commitMetadata', true],
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const group = stage.world.group()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      const at = { topic, partition: 0, epoch: member.epochOf({ topic, partition: 0 }) }
      await member.consumer.commit([{ ...at, offset: 1n, metadata: '2' }])
      await member.consumer.commit([{ ...at, offset: 3n }])
      assert.deepEqual(await stage.committed(group, topic), [{ partition: 0, offset: 3n, metadata: '' }])
    },
  },
  {
    promise:
      'takes 4,096 letters of metadata, as brokers count them (in UTF-16), and refuses one more; what was stored before stays',
    claim: ['commitMetadata', true],
    async hold(stage) {
      const topic = await stage.filledTopic(1, 3)
      const group = stage.world.group()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 3, 'the records')
      const at = { topic, partition: 0, epoch: member.epochOf({ topic, partition: 0 }) }
      // Kafka's own default of offset.metadata.max.bytes
      for (const most of ['x'.repeat(4_096), 'é'.repeat(4_096), '🚀'.repeat(2_048)]) {
        await member.consumer.commit([{ ...at, offset: 1n, metadata: most }])
        await assertRejects(member.consumer.commit([{ ...at, offset: 2n, metadata: `${most}x` }]), 'HOLDFAST_REFUSED')
        assert.deepEqual(await stage.committed(group, topic), [{ partition: 0, offset: 1n, metadata: most }])
      }
      await member.consumer.commit([{ ...at, offset: 3n }])
    },
  },
  {
    promise: 'stores the rest of a commit of which one partition is refused for its metadata',
    claim: ['commitMetadata', true],
    async hold(stage) {
      const topic = await stage.filledTopic(3, 2)
      const group = stage.world.group()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 6, 'the records')
      const { epoch } = member.owned()[0]!
      const commits = [0, 1, 2].map((partition) => {
        return { topic, partition, epoch, offset: 2n, metadata: partition === 1 ? 'x'.repeat(4_097) : 'fits' }
      })
      await assertRejects(member.consumer.commit(commits), 'HOLDFAST_REFUSED')
      assert.deepEqual(await stage.committed(group, topic), [
        { partition: 0, offset: 2n, metadata: 'fits' },
        { partition: 2, offset: 2n, metadata: 'fits' },
      ])
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
      for (const offset of [3n, 6n, 6n, 2n]) {
        await member.consumer.commit([{ topic, partition: 0, offset, epoch }])
        assert.deepEqual(
          (await stage.committed(group, topic)).map((each) => each.offset),
          [offset],
        )
      }
    },
  },
  {
    promise: 'keeps the order of commits that are under way together: the last call counts',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 6)
      const group = stage.world.group()
      const member = await stage.member(group, [topic])
      await stage.until(() => member.records.length >= 6, 'the records')
      const epoch = member.epochOf({ topic, partition: 0 })
      for (let round = 0; round < 5; round++) {
        const commits = [1n, 6n, 2n, 5n].map((offset) =>
          member.consumer.commit([{ topic, partition: 0, offset, epoch }]),
        )
        await Promise.all(commits)
        assert.deepEqual(
          (await stage.committed(group, topic)).map(({ offset }) => offset),
          [5n],
        )
      }
    },
  },
  {
    promise: 'commits several partitions of several topics in one call, and none in an empty one',
    async hold(stage) {
      const [one, two] = [await stage.filledTopic(2, 3), await stage.filledTopic(1, 3)]
      const group = stage.world.group()
      const member = await stage.member(group, [one, two])
      await stage.until(() => member.records.length >= 9, 'the records')
      const { epoch } = member.owned()[0]!
      await member.consumer.commit([])
      assert.deepEqual(await stage.committed(group, one), [])
      await member.consumer.commit([
        { topic: one, partition: 1, offset: 1n, epoch },
        { topic: two, partition: 0, offset: 2n, epoch },
        { topic: one, partition: 0, offset: 3n, epoch },
      ])
      assert.deepEqual(
        (await stage.committed(group, one)).map(({ offset }) => offset),
        [3n, 1n],
      )
      assert.deepEqual(
        (await stage.committed(group, two)).map(({ offset }) => offset),
        [2n],
      )
    },
  },
  {
    promise: 'refuses a commit under an epoch that is over, for a partition it lost and for one it kept',
    rebalance: 'eager',
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
      assert.deepEqual(await stage.committed(group, topic), [])
      await first.consumer.commit(mixed.slice(0, 1))
    },
  },
  {
    promise:
      'refuses a commit of several partitions as a whole when one of their epochs is over, though both are owned',
    rebalance: 'eager',
    async hold(stage) {
      const topic = await stage.filledTopic(4, 2)
      const group = stage.world.group()
      const first = await stage.member(group, [topic], { onRevoked: async () => {} })
      await stage.until(() => first.records.length >= 8, 'the records')
      const old = first.owned()[0]!.epoch
      const second = await stage.member(group, [topic], { driver: stage.world.otherDriver })
      await stage.until(() => first.owned().length === 2 && second.owned().length === 2, 'two partitions for each')
      const [one, other] = [first.owned()[0]!, first.owned()[1]!]
      const { epoch } = one
      const commit = (of: number): Promise<void> =>
        first.consumer.commit([
          { topic, partition: one.partition, offset: 2n, epoch },
          { topic, partition: other.partition, offset: 1n, epoch: of },
        ])
      await assertRejects(commit(old), 'HOLDFAST_EPOCH_LOST')
      assert.deepEqual(await stage.committed(group, topic), [])
      await commit(epoch)
      assert.equal((await stage.committed(group, topic)).length, 2)
    },
  },
  {
    promise: 'refuses commits before the first assignment and after the stop',
    async hold(stage) {
      const topic = await stage.filledTopic(1, 2)
      const group = stage.world.group()
      const member = stage.newMember(group)
      const commit = (epoch: number): Promise<void> =>
        member.consumer.commit([{ topic, partition: 0, offset: 1n, epoch }])
      await assertRejects(commit(1), 'HOLDFAST_EPOCH_LOST')
      await member.start([topic])
      await stage.until(() => member.records.length >= 2, 'the records')
      const epoch = member.epochOf({ topic, partition: 0 })
      await member.consumer.stop()
      await assertRejects(commit(epoch), 'HOLDFAST_EPOCH_LOST')
      assert.deepEqual(await stage.committed(group, topic), [])
    },
  },
]

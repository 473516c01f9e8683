import assert from 'node:assert/strict'
import type { DriverProducer, DriverTransaction } from '../../driver/index.ts'
import { assertRefused, assertRejects, values } from './assertions.ts'
import type { ConformanceCase } from './conformance-case.ts'
import type { Stage } from './stage.ts'
import { numbered } from './stage.ts'

const transactional = (stage: Stage): Promise<DriverProducer> =>
  stage.producer({ transactionalId: stage.world.group() })

async function inTransaction(
  producer: DriverProducer,
  work: (transaction: DriverTransaction) => Promise<unknown>,
): Promise<void> {
  const transaction = await producer.begin()
  await work(transaction)
  await transaction.commit()
}

/** What a driver that has transactions promises about them. */
export const transacting: readonly ConformanceCase[] = (
  [
    {
      promise: 'shows nothing of a transaction before its commit, and all of it after, across topics and partitions',
      async hold(stage) {
        const [one, two] = [await stage.world.topic(2), await stage.world.topic(1)]
        const producer = await transactional(stage)
        let committing = false
        const tooEarly: string[] = []
        const reader = await stage.member(stage.world.group(), [one, two], {
          onBatch: ({ records }) => void (committing || tooEarly.push(...values([...records]))),
        })
        await stage.until(() => reader.assignments.length > 0, 'the reader’s assignment')

        const transaction = await producer.begin()
        await stage.write(transaction, { topic: one, partition: 0 }, numbered('a', 2))
        await stage.write(transaction, { topic: one, partition: 1 }, numbered('b', 2))
        await stage.write(transaction, { topic: two, partition: 0 }, numbered('c', 2))
        const other = await stage.member(stage.world.group(), [two]) // time enough for a reader to see what it should not
        await stage.until(() => other.assignments.length > 0, 'another reader’s assignment')
        committing = true
        await transaction.commit()

        await stage.until(() => reader.records.length >= 6, 'all records of the transaction')
        assert.deepEqual(tooEarly, [])
        assert.deepEqual(values(reader.records).toSorted(), ['a0', 'a1', 'b0', 'b1', 'c0', 'c1'])
      },
    },
    {
      promise: 'never shows a transaction that was rolled back, and shows what comes after it',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const target = { topic, partition: 0 }
        const producer = await transactional(stage)
        await inTransaction(producer, (transaction) => stage.write(transaction, target, numbered('first', 2)))
        const rolledBack = await producer.begin()
        await stage.write(rolledBack, target, numbered('never', 2))
        await rolledBack.abort()
        await inTransaction(producer, (transaction) => stage.write(transaction, target, numbered('last', 2)))
        assert.deepEqual(values(await stage.readAll(topic)), ['first0', 'first1', 'last0', 'last1'])
      },
    },
    {
      promise: 'shows nothing of transactions that were rolled back when several overlap on one partition',
      claim: ['readCommitted', true],
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const target = { topic, partition: 0 }
        const producers = await Promise.all([1, 2, 3].map(() => transactional(stage)))
        const transactions = await Promise.all(producers.map((producer) => producer.begin()))
        for (const round of [0, 1]) {
          for (const [i, transaction] of transactions.entries()) {
            await stage.write(transaction, target, numbered(i === 1 ? `kept${round}-` : 'never', 2))
          }
        }
        await transactions[0]!.abort()
        await transactions[1]!.commit()
        await transactions[2]!.abort()
        assert.deepEqual(values(await stage.readAll(topic)), ['kept0-0', 'kept0-1', 'kept1-0', 'kept1-1'])
      },
    },
    {
      promise: 'answers inside a transaction with the offsets at which readers find the records, markers in between',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const target = { topic, partition: 0 }
        const producer = await transactional(stage)
        const offsets: bigint[] = []
        for (const name of ['a', 'b', 'c']) {
          await inTransaction(producer, async (transaction) =>
            offsets.push(...(await stage.write(transaction, target, numbered(name, 2)))),
          )
        }
        const records = await stage.readAll(topic)
        assert.deepEqual(values(records), ['a0', 'a1', 'b0', 'b1', 'c0', 'c1'])
        assert.deepEqual(
          records.map(({ offset }) => offset),
          offsets,
        )
        assert.deepEqual(offsets, [0n, 1n, 3n, 4n, 6n, 7n])
      },
    },
    {
      promise:
        'fences the older producer of a transactional id when a newer one begins: its transaction is rolled back, for good',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const target = { topic, partition: 0 }
        const transactionalId = stage.world.group()
        const older = await stage.producer({ transactionalId })
        const newer = await stage.producer({ transactionalId, driver: stage.world.otherDriver })
        const zombie = await older.begin()
        await stage.write(zombie, target, numbered('zombie', 2))

        const transaction = await newer.begin()
        await stage.write(transaction, target, numbered('newer', 2))
        assertRefused(await stage.attempt(zombie, target, numbered('late', 1)), 'HOLDFAST_FENCED')
        await zombie.abort()
        await assertRejects(older.begin(), 'HOLDFAST_FENCED')
        await transaction.commit()
        assert.deepEqual(values(await stage.readAll(topic)), ['newer0', 'newer1'])
      },
    },
    {
      promise: 'fences a commit too',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const transactionalId = stage.world.group()
        const older = await stage.producer({ transactionalId })
        const newer = await stage.producer({ transactionalId, driver: stage.world.otherDriver })
        const zombie = await older.begin()
        await stage.write(zombie, { topic, partition: 0 }, numbered('zombie', 2))
        await (await newer.begin()).abort()
        await assertRejects(zombie.commit(), 'HOLDFAST_FENCED')
        assert.deepEqual(await stage.readAll(topic), [])
      },
    },
    {
      promise: 'leaves only the rollback after a failed write, and the next transaction of the same producer is whole',
      async hold(stage) {
        const topic = await stage.world.topic(1, { 'max.message.bytes': '2000' })
        const target = { topic, partition: 0 }
        const producer = await transactional(stage)
        const failed = await producer.begin()
        await stage.write(failed, target, numbered('never', 2))
        assertRefused(
          await stage.attempt(failed, target, [{ value: new Uint8Array(3_000) }]),
          'HOLDFAST_RECORD_TOO_LARGE',
        )
        assertRefused(await stage.attempt(failed, target, numbered('never', 1)))
        await assert.rejects(failed.commit())
        await failed.abort()
        for (const name of ['a', 'b'])
          await inTransaction(producer, (transaction) => stage.write(transaction, target, numbered(name, 2)))
        assert.deepEqual(values(await stage.readAll(topic)), ['a0', 'a1', 'b0', 'b1'])
      },
    },
    {
      promise: 'writes a batch of a transaction once whose answer was lost',
      fault: 'loseNextProduceAnswers',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const target = { topic, partition: 0 }
        const producer = await transactional(stage)
        await inTransaction(producer, async (transaction) => {
          await stage.write(transaction, target, numbered('a', 2))
          await stage.world.faults.loseNextProduceAnswers!(topic, 1)
          assert.deepEqual(await stage.write(transaction, target, numbered('b', 2)), [2n, 3n])
        })
        assert.deepEqual(values(await stage.readAll(topic)), ['a0', 'a1', 'b0', 'b1'])
      },
    },
    {
      promise: 'keeps transactions that follow each other at once apart: all of each, in order',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const producer = await transactional(stage)
        const expected: string[] = []
        for (let round = 0; round < 10; round++) {
          const transaction = await producer.begin()
          await stage.write(transaction, { topic, partition: 0 }, numbered(`${round}-`, 2))
          if (round % 3 === 2) {
            await transaction.abort()
            continue
          }
          await transaction.commit()
          expected.push(`${round}-0`, `${round}-1`)
        }
        assert.deepEqual(values(await stage.readAll(topic)), expected)
      },
    },
    {
      promise: 'commits and rolls back a transaction that wrote nothing',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const producer = await transactional(stage)
        await (await producer.begin()).commit()
        await (await producer.begin()).abort()
        await inTransaction(producer, (transaction) =>
          stage.write(transaction, { topic, partition: 0 }, numbered('a', 1)),
        )
        assert.deepEqual(values(await stage.readAll(topic)), ['a0'])
      },
    },
    {
      promise: 'writes nothing outside a transaction when it has a transactional id',
      async hold(stage) {
        const topic = await stage.world.topic(1)
        const producer = await transactional(stage)
        assertRefused(await stage.attempt(producer, { topic, partition: 0 }, numbered('a', 1)))
        assert.deepEqual(await stage.readAll(topic), [])
      },
    },
  ] satisfies ConformanceCase[]
).map((each) => ({ claim: ['transactions', true] as const, ...each }))

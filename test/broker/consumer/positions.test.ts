import { expect, onTestFinished, test } from 'vitest'
import type { ConsumerOptions } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { Shop } from './shop.ts'
import { commitsOf, openShop, until } from './shop.ts'
import { TIMING } from './shop-topic.ts'

const values = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => JSON.stringify({ id: `o-${from + i}` }))

function member(shop: Shop, seen: string[], options: Partial<ConsumerOptions> = {}) {
  const consumer = createConsumer({ driver: shop.driver(), groupId: shop.groupId, ...TIMING, ...options }).on(
    shop.topic,
    (_, { partition, offset }) => void seen.push(`${partition}@${offset}`),
  )
  onTestFinished(() => consumer.close())
  return consumer
}

test('a seek goes on below what is committed, commits that first, and a restart does not undo it', async () => {
  const shop = await openShop({ partitions: 1 })
  await shop.write(values(20))
  const seen: string[] = []
  const one = member(shop, seen)
  const commits = commitsOf(one)
  await one.start()
  await until(one, () => commits.get(0) === 20n)
  one.pause()
  const { name: topic } = shop.topic
  expect(await one.seek({ topic, partition: 0, offset: 5n })).toEqual([{ topic, partition: 0, offset: 5n }])
  expect(await shop.committed()).toEqual({ 0: 5n })
  await one.close()
  expect(seen).toHaveLength(20)

  const two = member(shop, seen)
  const again = commitsOf(two)
  await two.start()
  await until(two, () => again.get(0) === 20n)
  expect(seen.slice(20)).toEqual(Array.from({ length: 15 }, (_, i) => `0@${i + 5}`))
})

test('a seek to a time goes on at the first record of that time or later, in every partition of the topic', async () => {
  const shop = await openShop({ partitions: 2 })
  const start = Date.now()
  for (const partition of [0, 1]) {
    const messages = [...values(6)].map((value, i) => ({
      key: `k-${i}`,
      value,
      partition,
      timestamp: String(start - 60_000 + i * 1_000),
    }))
    await shop.producer.send({ topic: shop.topic.name, acks: -1, messages })
  }
  const seen: string[] = []
  const one = member(shop, seen)
  const commits = commitsOf(one)
  await one.start()
  await until(one, () => commits.get(0) === 6n && commits.get(1) === 6n)
  seen.length = 0
  await one.seek({ topic: shop.topic.name, timestamp: new Date(start - 60_000 + 3_500) })
  await until(one, () => seen.length === 4)
  expect(seen.toSorted()).toEqual(['0@4', '0@5', '1@4', '1@5'])
})

test('a position that retention has taken: by onOutOfRange earliest the partition goes on, says what it passed over, and commits it', async () => {
  const shop = await openShop({ partitions: 1 })
  await shop.write(values(10))
  const first = member(shop, [])
  const commits = commitsOf(first)
  await first.start()
  await until(first, () => commits.get(0) === 10n)
  await first.seek({ topic: shop.topic.name, partition: 0, offset: 2n })
  await first.close()
  const admin = shop.kafka.admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  await shop.write(values(10, 10))
  const end = await shop.admin.offsetRanges(shop.topic.name)
  await admin.fetchTopicOffsets(shop.topic.name) // kafkajs deletes nothing of a topic whose leaders it has not looked up
  await admin.deleteTopicRecords({ topic: shop.topic.name, partitions: [{ partition: 0, offset: '15' }] })

  const seen: string[] = []
  const second = member(shop, seen, { onOutOfRange: 'earliest' })
  const passedOver: unknown[] = []
  second.listen('out-of-range', (event) => passedOver.push(event))
  const after = commitsOf(second)
  await second.start()
  await until(second, () => after.get(0) === end[0]!.latest, ['committed', 'out-of-range', 'seeked'])
  const at = passedOver[0] as { continuesAt: bigint }
  expect(at.continuesAt).toBe(15n)
  expect(seen).toEqual(['0@15', '0@16', '0@17', '0@18', '0@19'])
})

test('the hooks of a rebalance are awaited: nothing is handled before the one, and no other member has the partition before the other has ended', async () => {
  const shop = await openShop({ partitions: 2 })
  await shop.write(values(200))
  const told: string[] = []
  const hooked = (who: string) => {
    const consumer = createConsumer({
      driver: shop.driver(),
      groupId: shop.groupId,
      ...TIMING,
      onAssigned: async (partitions) => {
        await new Promise((resolve) => setTimeout(resolve, 100)) // loading takes a while
        for (const { partition } of partitions) told.push(`${who} has ${partition}`)
      },
      onRevoked: async (partitions) => {
        await new Promise((resolve) => setTimeout(resolve, 100)) // storing too
        for (const { partition } of partitions) told.push(`${who} gave ${partition}`)
      },
    }).on(shop.topic, async (_, { partition }) => {
      told.push(`${who} handles ${partition}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    })
    onTestFinished(() => consumer.close())
    return consumer
  }
  const one = hooked('one')
  const two = hooked('two')
  await one.start()
  await until(one, () => told.some((line) => line.startsWith('one handles')))
  await two.start()
  await Promise.race([one, two].map((each) => until(each, () => told.some((line) => line.startsWith('two handles')))))
  await Promise.all([one.close(), two.close()])

  const holder = new Map<string, string>()
  for (const line of told) {
    const [who, what, partition] = line.split(' ') as [string, string, string]
    if (what === 'has') {
      expect([line, holder.get(partition)]).toEqual([line, undefined])
      holder.set(partition, who)
    } else {
      expect([line, holder.get(partition)]).toEqual([line, who])
      if (what === 'gave') holder.delete(partition)
    }
  }
  expect([...holder]).toEqual([]) // a close gives everything back too
})

import { expect, onTestFinished, test } from 'vitest'
import type { Consumer } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { Shop } from './shop.ts'
import { commitsOf, openShop, until } from './shop.ts'
import { TIMING } from './shop-topic.ts'

const values = (count: number): string[] => Array.from({ length: count }, (_, i) => JSON.stringify({ id: `o-${i}` }))
const work = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function member(shop: Shop, seen: string[], workMs: number): Consumer {
  const consumer = createConsumer({ driver: shop.driver(), groupId: shop.groupId, ...TIMING }).on(
    shop.topic,
    async (_, { partition, offset }) => {
      await work(workMs)
      seen.push(`${partition}@${offset}`)
    },
  )
  onTestFinished(() => consumer.close())
  return consumer
}

test('a graceful close repeats nothing: the next process goes on behind the last handled record', async () => {
  const shop = await openShop({ partitions: 2 })
  const places = await shop.write(values(200))
  const seen: string[] = []
  const one = member(shop, seen, 3)
  await one.start()
  await until(one, () => seen.length >= 60)
  await one.close()
  const before = seen.length
  const committed = await shop.committed()
  expect(committed[0]! + committed[1]!).toBe(BigInt(before))

  const two = member(shop, seen, 1)
  const commits = commitsOf(two)
  await two.start()
  await until(two, () => commits.get(0) === 100n && commits.get(1) === 100n)
  expect(seen.toSorted()).toEqual([...places].toSorted())
})

test('a second consumer that joins gets drained and committed partitions: nothing is lost, nothing repeated', async () => {
  const shop = await openShop({ partitions: 4 })
  const places = await shop.write(values(800))
  const seen: string[] = []
  const one = member(shop, seen, 10)
  const two = member(shop, seen, 10)
  await one.start()
  await until(one, () => seen.length >= 40)
  await two.start()
  const all = (): boolean => new Set(seen).size === places.length
  await Promise.race([until(one, all), until(two, all)])
  expect(two.health().partitions).toHaveLength(2)
  await Promise.all([one.close(), two.close()])
  expect(new Set(seen)).toEqual(new Set(places))
  expect(seen.length).toBe(places.length)
  expect(await shop.committed()).toEqual({ 0: 200n, 1: 200n, 2: 200n, 3: 200n })
})

test('startAt latest is committed before anything is handled, and new records come', async () => {
  const shop = await openShop({ partitions: 1 })
  await shop.write(values(5))
  const seen: string[] = []
  const consumer = createConsumer({ driver: shop.driver(), groupId: shop.groupId, startAt: 'latest', ...TIMING }).on(
    shop.topic,
    (_, { offset }) => void seen.push(String(offset)),
  )
  onTestFinished(() => consumer.close())
  const commits = commitsOf(consumer)
  await consumer.start()
  await until(consumer, () => commits.get(0) === 5n)
  expect(await shop.committed()).toEqual({ 0: 5n })
  await shop.write(values(2))
  await until(consumer, () => commits.get(0) === 7n)
  expect(seen).toEqual(['5', '6'])
})

import { expect, test } from 'vitest'
import { createConsumer } from '../../../src/consumer/index.ts'
import { disorderedKeys, PARTITIONS, total, writeKeyed } from './keyed-records.ts'
import { TIMING } from './shop-topic.ts'
import { openShop, until } from './shop.ts'
import { gone, openLedger, startWorker } from './worker-process.ts'

/** Where a record that is handled at most once can be when its process dies, and the passing at which it does. */
const DEATHS = [
  'process:decoded#90',
  'process:claimed#90',
  'process:handled#90',
  'commit:before#9',
  'commit:after#9',
] as const

const CONCURRENCY = 8

test('SIGKILL at every await of a record handles nothing twice, keeps every key in order, and loses no more than was in handlers', async () => {
  const reports = await Promise.all(DEATHS.map(async (death) => [death, await dieAt(death)] as const))
  const well = { twice: [], disordered: [], lostMoreThanInHandlers: [], died: 'SIGKILL' }
  expect(Object.fromEntries(reports)).toEqual(Object.fromEntries(DEATHS.map((death) => [death, well])))
}, 180_000)

async function dieAt(death: string) {
  const shop = await openShop({ partitions: PARTITIONS })
  const keys = await writeKeyed(shop)
  const ledger = openLedger()
  const settings = { CONCURRENCY: String(CONCURRENCY), DELIVERY: 'at-most-once' }

  const first = startWorker(shop, ledger.file, { ...settings, DIE_AT: death })
  await gone(first)
  startWorker(shop, ledger.file, settings)
  await expect.poll(async () => total(await shop.committed()), { timeout: 90_000, interval: 200 }).toBe(keys.size)
  // All is claimed; the last of it is still to be called.
  const called = (): readonly string[] => ledger.lines()
  const lost = (): string[] => [...keys.keys()].filter((place) => !called().includes(place))
  await ledger.until(() => lost().length <= CONCURRENCY, 10_000)

  return {
    twice: called().filter((place, i) => called().indexOf(place) !== i),
    disordered: disorderedKeys(called(), keys),
    lostMoreThanInHandlers: lost().length > CONCURRENCY ? lost() : [],
    died: first.signalCode,
  }
}

test('a graceful close and a new member hand over without a loss and without a repeat', async () => {
  const shop = await openShop({ partitions: PARTITIONS })
  const keys = await writeKeyed(shop)
  const called: string[] = []
  const member = () =>
    createConsumer({ driver: shop.driver(), groupId: shop.groupId, concurrency: CONCURRENCY, ...TIMING }).on(
      shop.topic,
      async (_, { partition, offset }) => {
        called.push(`${partition}@${offset}`)
        await new Promise((resolve) => setTimeout(resolve, 2))
      },
      { delivery: 'at-most-once' },
    )
  const one = member()
  await one.start()
  await until(one, () => called.length >= 60)
  await one.close()
  const two = member()
  await two.start()
  await until(two, () => called.length >= keys.size)
  await two.close()
  expect(called.toSorted()).toEqual([...keys.keys()].toSorted())
})

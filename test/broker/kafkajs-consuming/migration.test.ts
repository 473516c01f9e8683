import { expect, test } from 'vitest'
import { runBare } from './bare.ts'
import type { Bare } from './bare.ts'
import type { World } from './member.ts'
import { createWorld } from './member.ts'
import type { Ledger } from './service.ts'
import { createLedger, createService, startLoad, work } from './service.ts'

function startBare(world: World, ledger: Ledger): Promise<Bare> {
  return runBare(world, {
    eachMessage: async ({ message }) => {
      await work(2)
      ledger.note(Number(message.value))
    },
  })
}

test('a service moves from bare kafkajs to Holdfast and back under load, in one group: offsets are taken over and nothing is lost', async () => {
  const world = await createWorld({ partitions: 2 })
  const bare = createLedger()
  const ours = createLedger()
  const handle = async (value: number): Promise<void> => {
    await work(2)
    ours.note(value)
  }
  const load = startLoad(world, 2)
  const first = await startBare(world, bare)
  await bare.until(() => bare.entries.length >= 100)

  const service = createService(world, handle)
  await service.start()
  await ours.until(() => ours.entries.length >= 50) // both are at work: each has one partition
  const shared = bare.entries.length
  await bare.until(() => bare.entries.length >= shared + 50)
  await first.stop()
  const alone = ours.entries.length
  await ours.until(() => new Set(ours.entries.slice(alone).map((value) => value % 2)).size === 2) // it has both now

  const ownBefore = bare.entries.length
  await startBare(world, bare)
  await bare.until(() => bare.entries.length >= ownBefore + 50)
  await service.close()
  const sent = await load.stop()
  const handled = (): Set<number> => new Set([...bare.entries, ...ours.entries])
  await bare.until(() => handled().size === sent.length)

  expect([...handled()].toSorted((a, b) => a - b)).toEqual(sent)
  expect(ours.entries.length, 'Holdfast repeats nothing of its own').toBe(new Set(ours.entries).size)
  expect(Math.min(...ours.entries), 'it began where the group stood').toBeGreaterThan(0)
})

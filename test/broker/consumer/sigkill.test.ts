import { expect, test } from 'vitest'
import { disorderedKeys, PARTITIONS, writeKeyed } from './keyed-records.ts'
import { openShop } from './shop.ts'
import { gone, openLedger, startWorker } from './worker-process.ts'

/** Where a record can be when its process dies, and the passing at which it does: in the middle of the work. */
const DEATHS = [
  'process:decoded#90',
  'process:begun#90',
  'process:handled#90',
  'park:producing#2',
  'park:acknowledged#2',
  'process:completed#90',
  'commit:before#4',
  'commit:after#4',
] as const

const CONCURRENCY = 8

test('SIGKILL at every await of a record loses nothing, keeps every key in order, and repeats at most what was in flight', async () => {
  const reports = await Promise.all(DEATHS.map(async (death) => [death, await dieAt(death)] as const))
  const well = { unseen: [], disordered: [], repeatedBelowCommit: [], repeatedTooOften: [], died: 'SIGKILL' }
  expect(Object.fromEntries(reports)).toEqual(Object.fromEntries(DEATHS.map((death) => [death, well])))
}, 180_000)

async function dieAt(death: string) {
  const shop = await openShop({ partitions: PARTITIONS })
  const keys = await writeKeyed(shop)
  const ledger = openLedger()

  const first = startWorker(shop, ledger.file, { DIE_AT: death, CONCURRENCY: String(CONCURRENCY) })
  const good = [...keys].filter(([, { bad }]) => !bad).length
  const isAll = (lines: readonly string[]): boolean => new Set(lines).size >= good
  // One that has handled everything without having died is the test's own fault, and shows as `died: null`.
  await Promise.race([gone(first), ledger.until(isAll, 60_000)])
  const before = ledger.lines()
  const committed = ledger.committed()
  startWorker(shop, ledger.file, { CONCURRENCY: String(CONCURRENCY) })
  await ledger.until(isAll, 90_000)

  const handled = ledger.lines()
  const letters = await shop.deadLetters()
  const parked = letters.map(({ headers }) => `${headers['holdfast-dlq-partition']}@${headers['holdfast-dlq-offset']}`)
  const seen = new Set([...handled, ...parked])
  const again = handled.slice(before.length).filter((place) => before.includes(place))
  return {
    unseen: [...keys.keys()].filter((place) => !seen.has(place)),
    disordered: disorderedKeys([...new Set(handled)], keys),
    // What the broker has acknowledged is never repeated.
    repeatedBelowCommit: again.filter((place) => {
      const [partition, offset] = place.split('@')
      return BigInt(offset!) < (committed.get(partition!) ?? 0n)
    }),
    repeatedTooOften: again.filter((place, i) => again.indexOf(place) !== i),
    died: first.signalCode,
  }
}

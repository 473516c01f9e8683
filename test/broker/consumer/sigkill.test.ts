import { expect, test } from 'vitest'
import type { Shop } from './shop.ts'
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
const PARTITIONS = 2
const RECORDS = 240

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
  const ended = gone(first)
  await ended
  const before = ledger.lines()
  const committed = ledger.committed()
  startWorker(shop, ledger.file, { CONCURRENCY: String(CONCURRENCY) })
  const good = [...keys].filter(([, { bad }]) => !bad).length
  while (new Set(ledger.lines()).size < good) await ledger.atLeast(ledger.lines().length + 1)

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

/** Twelve keys a partition, one bad record in forty. */
async function writeKeyed({ producer, topic }: Shop) {
  const keys = new Map<string, { readonly key: string; readonly bad: boolean }>()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const records = Array.from({ length: RECORDS / PARTITIONS }, (_, i) => {
      const bad = i % 40 === 7
      return { key: `k-${partition}-${i % 12}`, bad, value: JSON.stringify({ id: bad ? 'bad' : `o-${i}` }), partition }
    })
    const messages = records.map(({ key, value }) => ({ key, value, partition }))
    const [result] = await producer.send({ topic: topic.name, acks: -1, messages })
    records.forEach(({ key, bad }, i) =>
      keys.set(`${partition}@${BigInt(result!.baseOffset!) + BigInt(i)}`, { key, bad }),
    )
  }
  return keys
}

/** Keys of which a record was first handled before an older one. */
function disorderedKeys(firsts: readonly string[], keys: ReadonlyMap<string, { readonly key: string }>): string[] {
  const last = new Map<string, number>()
  const found: string[] = []
  for (const place of firsts) {
    const { key } = keys.get(place)!
    const offset = Number(place.split('@')[1])
    if (offset < (last.get(key) ?? -1)) found.push(key)
    last.set(key, offset)
  }
  return found
}

import { expect, test } from 'vitest'
import { openShop } from './shop.ts'
import { gone, openLedger, startWorker } from './worker-process.ts'

/** The session of a killed process, and a busy machine. */
const WITHIN_MS = 60_000

test('a process that is killed in the middle, twice, loses nothing and keeps every partition in order', async () => {
  const shop = await openShop({ partitions: 3 })
  const values = Array.from({ length: 600 }, (_, i) => JSON.stringify({ id: i % 97 === 5 ? 'bad' : `o-${i}` }))
  const places = await shop.write(values)
  const bad = values.filter((value) => value.includes('bad')).length
  const ledger = openLedger()

  for (const killAt of [60, 250]) {
    const worker = startWorker(shop, ledger.file)
    await ledger.until((lines) => lines.length >= killAt, WITHIN_MS)
    const exit = gone(worker)
    worker.kill('SIGKILL')
    await exit
  }
  startWorker(shop, ledger.file)
  await ledger.until((lines) => new Set(lines).size >= places.length - bad, WITHIN_MS)

  const letters = await shop.deadLetters()
  const parked = new Set(
    letters.map(({ headers }) => `${headers['holdfast-dlq-partition']}@${headers['holdfast-dlq-offset']}`),
  )
  expect(new Set([...ledger.lines(), ...parked])).toEqual(new Set(places))
  expect(parked.size).toBe(bad)
  for (const partition of ['0', '1', '2']) {
    const firsts = [...new Set(ledger.lines())]
      .filter((place) => place.startsWith(`${partition}@`))
      .map((place) => Number(place.split('@')[1]))
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b))
  }
}, 120_000)

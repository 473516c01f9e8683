import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import { postgresDedupeSql } from '../../../src/postgres.ts'
import { startServices } from '../../helpers/services.ts'
import { disorderedKeys, PARTITIONS, total, writeKeyed } from './keyed-records.ts'
import { openShop } from './shop.ts'
import { gone, openLedger, startWorker } from './worker-process.ts'

/** Where a record with an inbox can be when its process dies, and the passing at which it does. */
const DEATHS = [
  'process:begun#90',
  'inbox:marked#90',
  'inbox:handled#90',
  'process:handled#90',
  'park:producing#2',
  'park:acknowledged#2',
  'process:completed#2',
  'commit:before#4',
  'commit:after#4',
] as const

let services: Services
let database: pg.Pool
beforeAll(async () => {
  services = await startServices({ postgres: true, onProgress: () => {} })
  database = new pg.Pool({ connectionString: services.postgres!.url })
  await database.query(postgresDedupeSql({}))
  await database.query('create table effects (at bigserial, topic text, place text)')
})
afterAll(async () => {
  await database?.end()
  await services.close()
})

test('SIGKILL at every await of a record with an inbox: each effect is there once, and those of a key in their order', async () => {
  const reports = await Promise.all(DEATHS.map(async (death) => [death, await dieAt(death)] as const))
  const well = { missing: [], twice: [], ofParked: [], unparked: [], disordered: [], died: 'SIGKILL' }
  expect(Object.fromEntries(reports)).toEqual(Object.fromEntries(DEATHS.map((death) => [death, well])))
}, 180_000)

async function dieAt(death: string) {
  const shop = await openShop({ partitions: PARTITIONS })
  const keys = await writeKeyed(shop)
  const ledger = openLedger()
  const settings = { CONCURRENCY: '8', DATABASE_URL: services.postgres!.url }

  const first = startWorker(shop, ledger.file, { ...settings, DIE_AT: death })
  await gone(first)
  startWorker(shop, ledger.file, settings)
  await expect.poll(async () => total(await shop.committed()), { timeout: 90_000, interval: 200 }).toBe(keys.size)

  const { rows } = await database.query<{ place: string }>('select place from effects where topic = $1 order by at', [
    shop.topic.name,
  ])
  const places = rows.map(({ place }) => place)
  const letters = await shop.deadLetters()
  const parked = new Set(
    letters.map(({ headers }) => `${headers['holdfast-dlq-partition']}@${headers['holdfast-dlq-offset']}`),
  )
  return {
    missing: [...keys].flatMap(([place, { bad }]) => (bad || places.includes(place) ? [] : [place])),
    twice: places.filter((place, i) => places.indexOf(place) !== i),
    ofParked: places.filter((place) => keys.get(place)!.bad),
    unparked: [...keys].flatMap(([place, { bad }]) => (bad && !parked.has(place) ? [place] : [])),
    disordered: disorderedKeys(places, keys),
    died: first.signalCode,
  }
}

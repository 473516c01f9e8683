import type { Producer } from 'holdfast'
import { silentLogger } from 'holdfast'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createAnnouncer } from '../../../examples/order-processing/services/inventory-announcer.ts'
import type { Verdict } from '../../../examples/order-processing/services/inventory-announcer.ts'
import type { Part } from '../../../examples/order-processing/shared/service.ts'
import type { ShopDatabase } from './shop-database.ts'
import { openShopDatabase } from './shop-database.ts'

let shop: ShopDatabase
let database: pg.Pool
let open: Announcer[]
beforeAll(async () => {
  shop = await openShopDatabase()
  database = shop.pool('test')
})
afterAll(() => shop?.close())
beforeEach(async () => {
  open = []
  await database.query('truncate verdicts')
})
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(open.map((each) => each.close()))
})

interface Announcer {
  /** Ids in the order in which they were handed to the producer. */
  readonly told: string[]
  /** The values, by id. */
  readonly values: Map<string, unknown>
  /** A handler of the same process has ended. */
  handled(): void
  close(): Promise<void>
}

/** An announcer of one process, whose sends end as `onSend` does. */
async function announcer(name: string, onSend: (id: string) => Promise<void> = async () => {}): Promise<Announcer> {
  const told: string[] = []
  const values = new Map<string, unknown>()
  let handled = (): void => {}
  const send = async (_: unknown, value: unknown, { id }: { id: string }): Promise<void> => {
    told.push(id)
    values.set(id, value)
    await onSend(id)
  }
  const part: Part = createAnnouncer({
    consumer: { listen: (_: unknown, listener: () => void) => ((handled = listener), () => {}) } as never,
    producer: { send } as unknown as Pick<Producer, 'send'>,
    database: shop.pool(name),
    log: silentLogger,
  })
  await part.open!()
  const made = { told, values, handled: () => handled(), close: async () => void (await part.close()) }
  open.push(made)
  return made
}

async function decide(
  orderId: string,
  verdict: Verdict['verdict'],
  via: Pick<pg.Pool, 'query'> = database,
): Promise<void> {
  await via.query(
    `insert into verdicts (order_id, customer_id, verdict, total_cents, missing_sku) values ($1, 'ada', $2, 500, 'mouse')`,
    [orderId, verdict],
  )
}

const unannounced = async (): Promise<number> =>
  (await database.query('select from verdicts where announced_at is null')).rowCount!
const soon = { timeout: 10_000, interval: 20 }

test('what is committed is told, as the row says; what is rolled back is not', async () => {
  const tx = await database.connect()
  await tx.query('begin')
  await decide('o-1', 'short', tx)
  const { told, values } = await announcer('one')
  await decide('o-2', 'reserved')
  await expect.poll(unannounced, soon).toBe(0)
  await tx.query('rollback')
  tx.release()
  await decide('o-3', 'short')
  await decide('o-4', 'returned')
  await expect.poll(unannounced, soon).toBe(0)
  expect(told.toSorted()).toEqual([
    'o-2/inventory.reserved',
    'o-3/inventory.short',
    'o-3/order.cancelled',
    'o-4/inventory.returned',
  ])
  expect(values.get('o-2/inventory.reserved')).toEqual({
    type: 'inventory.reserved',
    orderId: 'o-2',
    customerId: 'ada',
    totalCents: 500,
  })
  expect(values.get('o-3/inventory.short')).toEqual({ type: 'inventory.short', orderId: 'o-3', sku: 'mouse' })
})

test('a process that goes between the acknowledgement and its note leaves the row, and the next one sends the same id again', async () => {
  await decide('o-1', 'reserved')
  const ended = await announcer('dying', async () => {
    await database.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dying'")
  })
  await expect.poll(() => ended.told.length, soon).toBeGreaterThan(0)
  const next = await announcer('next')
  await expect.poll(unannounced, soon).toBe(0)
  expect(new Set([...ended.told, ...next.told])).toEqual(new Set(['o-1/inventory.reserved']))
  expect(next.told).toHaveLength(1)
})

test('the later verdict of an order waits while another process tells the earlier one; other orders do not', async () => {
  let acknowledge!: () => void
  const acknowledged = new Promise<void>((resolve) => (acknowledge = resolve))
  await decide('o-1', 'reserved')
  const first = await announcer('first', () => acknowledged)
  await expect.poll(() => first.told, soon).toEqual(['o-1/inventory.reserved'])

  await decide('o-1', 'returned')
  await decide('o-2', 'reserved')
  const second = await announcer('second')
  await expect.poll(() => second.told, soon).toEqual(['o-2/inventory.reserved'])
  await decide('o-3', 'reserved')
  await expect.poll(() => second.told, soon).toEqual(['o-2/inventory.reserved', 'o-3/inventory.reserved'])

  acknowledge()
  await expect.poll(unannounced, soon).toBe(0)
  expect([...first.told, ...second.told].filter((id) => id.startsWith('o-1'))).toEqual([
    'o-1/inventory.reserved',
    'o-1/inventory.returned',
  ])
})

test('what Kafka does not take stays and is tried again, and holds up no other order', async () => {
  let refusals = 2
  await decide('o-1', 'reserved')
  await decide('o-1', 'returned')
  await decide('o-2', 'reserved')
  const { told } = await announcer('refused', async (id) => {
    if (id.startsWith('o-1') && refusals-- > 0) throw new Error('not now')
  })
  await expect.poll(unannounced, soon).toBe(0)
  expect(told.filter((id) => id.startsWith('o-1'))).toEqual([
    ...Array.from({ length: 3 }, () => 'o-1/inventory.reserved'),
    'o-1/inventory.returned',
  ])
  expect(told.filter((id) => id.startsWith('o-2'))).toHaveLength(1)
})

test('it looks as soon as a handler of its own process has ended, and tells on closing what is still to be told', async () => {
  const { told, handled, close } = await announcer('woken')
  await decide('o-0', 'reserved')
  await expect.poll(unannounced, soon).toBe(0)
  vi.useFakeTimers({ toFake: ['setTimeout'] }) // from its next rest on it would sleep for ever
  await decide('o-1', 'reserved')
  await expect
    .poll(async () => {
      handled()
      return unannounced()
    }, soon)
    .toBe(0)

  await decide('o-2', 'short')
  await close()
  expect(told).toEqual([
    'o-0/inventory.reserved',
    'o-1/inventory.reserved',
    'o-2/inventory.short',
    'o-2/order.cancelled',
  ])
  await decide('o-3', 'reserved')
  expect(await unannounced()).toBe(1)
})

test('closing comes to an end when Kafka takes nothing: the row waits for the next process', async () => {
  await decide('o-1', 'reserved')
  const { told, close } = await announcer('shut', async () => {
    throw new Error('gone')
  })
  await close()
  expect(told.length).toBeGreaterThan(0)
  expect(await unannounced()).toBe(1)
})

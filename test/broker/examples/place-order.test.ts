import type { Outbox, Runtime } from 'holdfast'
import { createOutbox, HoldfastError, noTelemetry, systemRuntime } from 'holdfast'
import { postgresOutbox, postgresOutboxSql } from 'holdfast/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { NewOrder } from '../../../examples/order-processing/services/place-order.ts'
import { placeOrder } from '../../../examples/order-processing/services/place-order.ts'
import type { ShopDatabase } from './shop-database.ts'
import { openShopDatabase } from './shop-database.ts'

let shop: ShopDatabase
let database: pg.Pool
beforeAll(async () => {
  shop = await openShopDatabase()
  database = shop.pool('order-api')
  await database.query(postgresOutboxSql({ keepSent: true }))
})
afterAll(() => shop?.close())
beforeEach(async () => {
  await database.query('truncate orders, holdfast_outbox')
})

const ORDER: NewOrder = { orderId: 'o-1', customerId: 'ada', items: [{ sku: 'mouse', quantity: 2 }], totalCents: 3_980 }
const OTHER: NewOrder = { ...ORDER, customerId: 'bob' }

/** @param failpoint - what happens at the steps of the order's transaction */
function outboxOf(failpoint: Runtime['failpoint'] = () => {}): Outbox<pg.PoolClient> {
  const runtime = { ...systemRuntime, failpoint }
  const store = postgresOutbox(database, { keepSentMs: 60_000, runtime })
  return createOutbox({ store, source: 'order-api', telemetry: noTelemetry, runtime })
}

const stored = async (): Promise<{ readonly orders: readonly string[]; readonly events: readonly string[] }> => {
  const orders = await database.query<{ customer_id: string }>('select customer_id from orders order by order_id')
  const events = await database.query<{ event: string }>(
    "select convert_from(value, 'utf8')::json ->> 'customerId' || ' ' || message_id as event from holdfast_outbox order by id",
  )
  return { orders: orders.rows.map((row) => row.customer_id), events: events.rows.map((row) => row.event) }
}
const ONCE = { orders: ['ada'], events: ['ada o-1/order.created'] }

test('an order and its event are stored together; the same again changes nothing, and another one is told so', async () => {
  const outbox = outboxOf()
  expect(await placeOrder(outbox, ORDER)).toBe('placed')
  expect(await placeOrder(outbox, ORDER)).toBe('known')
  expect(await placeOrder(outbox, OTHER)).toBe('other')
  expect(await placeOrder(outbox, { ...ORDER, items: [{ sku: 'mouse', quantity: 3 }] })).toBe('other')
  expect(await stored()).toEqual(ONCE)
})

test('of two orders with one id at once the first is placed, and the second hears the truth, whichever it is', async () => {
  let atCommit!: () => void
  let goOn!: () => void
  const isAtCommit = new Promise<void>((resolve) => (atCommit = resolve))
  const mayGoOn = new Promise<void>((resolve) => (goOn = resolve))
  const slow = outboxOf((name) => {
    if (name !== 'outbox:before-commit') return
    atCommit()
    return mayGoOn
  })
  const first = placeOrder(slow, ORDER)
  await isAtCommit
  const settled: string[] = []
  const others = [OTHER, ORDER].map((order) =>
    placeOrder(outboxOf(), order).then((outcome) => {
      settled.push(outcome)
      return outcome
    }),
  )
  const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
  await expect.poll(async () => (await database.query(waiting)).rowCount, { timeout: 20_000 }).toBe(2)
  expect(settled).toEqual([]) // nobody is told anything while the first may still be rolled back
  goOn()
  expect(await Promise.all([first, ...others])).toEqual(['placed', 'other', 'known'])
  expect(await stored()).toEqual(ONCE)
})

test('what dies before the commit leaves neither row nor event, and the id is free; what dies behind it has placed the order', async () => {
  const dying = (at: string): Outbox<pg.PoolClient> =>
    outboxOf((name) => {
      if (name === at) throw new Error('died')
    })
  await expect(placeOrder(dying('outbox:before-commit'), ORDER)).rejects.toThrow('died')
  expect(await stored()).toEqual({ orders: [], events: [] })
  await expect(placeOrder(dying('outbox:committed'), ORDER)).rejects.toThrow('died')
  expect(await stored()).toEqual(ONCE)
  expect(await placeOrder(outboxOf(), ORDER)).toBe('known')
})

test('an event that does not fit takes its order with it', async () => {
  const wrong = placeOrder(outboxOf(), { ...ORDER, totalCents: -1 })
  await expect(wrong).rejects.toSatisfy((error) => HoldfastError.is(error, 'HOLDFAST_MESSAGE_INVALID'))
  expect(await stored()).toEqual({ orders: [], events: [] })
})

test('a transaction that the database ends for the sake of others is tried again, and not for ever; any other failure is told at once', async () => {
  const failing = (
    times: number,
    code: string,
  ): { readonly outbox: Outbox<pg.PoolClient>; readonly tries: () => number } => {
    let tries = 0
    const outbox = outboxOf((name) => {
      if (name === 'outbox:before-commit' && ++tries <= times)
        throw Object.assign(new Error(`SQLSTATE ${code}`), { code })
    })
    return { outbox, tries: () => tries }
  }
  const deadlock = failing(2, '40P01')
  expect(await placeOrder(deadlock.outbox, ORDER)).toBe('placed')
  expect(deadlock.tries()).toBe(3)
  expect(await stored()).toEqual(ONCE)

  const conflict = failing(99, '40001')
  await expect(placeOrder(conflict.outbox, { ...ORDER, orderId: 'o-2' })).rejects.toThrow('SQLSTATE 40001')
  expect(conflict.tries()).toBe(5)
  const broken = failing(1, '57P01')
  await expect(placeOrder(broken.outbox, { ...ORDER, orderId: 'o-3' })).rejects.toThrow('SQLSTATE 57P01')
  expect(broken.tries()).toBe(1)
  expect(await stored()).toEqual(ONCE)
})

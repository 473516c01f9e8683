import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Charge } from '../../../examples/order-processing/shared/payment-gateway.ts'
import {
  GatewayUnavailable,
  gatewayBehaviour,
  simulatedGateway,
} from '../../../examples/order-processing/shared/payment-gateway.ts'
import { mailBehaviour, simulatedMailServer } from '../../../examples/order-processing/shared/mail-server.ts'
import type { ShopDatabase } from './shop-database.ts'
import { openShopDatabase } from './shop-database.ts'

const ORDERS = Array.from({ length: 1_000 }, (_, i) => `order-${i}`)
const never = new AbortController().signal

let shop: ShopDatabase
let books: pg.Pool
beforeAll(async () => {
  shop = await openShopDatabase()
  books = shop.pool('outside')
})
afterAll(() => shop?.close())

const orderWhere = (fits: (behaviour: ReturnType<typeof gatewayBehaviour>) => boolean): string =>
  ORDERS.find((orderId) => fits(gatewayBehaviour(1, orderId)))!
const chargeOf = (orderId: string, key = orderId): Charge => ({ idempotencyKey: key, orderId, amountCents: 100 })
const chargesOf = async (orderId: string): Promise<readonly object[]> =>
  (await books.query('select verdict, asked from gateway_charges where order_id = $1', [orderId])).rows

test('a flaky order fails exactly its first attempts, which are fewer than the payment service makes', async () => {
  const gateway = simulatedGateway(1, books)
  const flaky = orderWhere(({ failingAttempts, losesAnswers }) => failingAttempts === 2 && !losesAnswers)
  await expect(gateway.charge(chargeOf(flaky), 1, never)).rejects.toThrow(GatewayUnavailable)
  await expect(gateway.charge(chargeOf(flaky), 2, never)).rejects.toThrow(GatewayUnavailable)
  expect(await chargesOf(flaky)).toEqual([])
  await expect(gateway.charge(chargeOf(flaky), 3, never)).resolves.toMatch(/completed|declined/)
})

test('an answer that was lost is given again for the same key, and nothing is charged a second time', async () => {
  const losing = orderWhere(({ failingAttempts, losesAnswers }) => failingAttempts === 1 && losesAnswers)
  await expect(simulatedGateway(1, books).charge(chargeOf(losing), 1, never)).rejects.toThrow(GatewayUnavailable)
  const [{ verdict }] = (await chargesOf(losing)) as [{ verdict: string }]
  const later = simulatedGateway(1, books) // of a process that knows nothing of the first
  await expect(later.charge(chargeOf(losing), 2, never)).resolves.toBe(verdict)
  expect(await chargesOf(losing)).toEqual([{ verdict, asked: 2 }])
})

test('the first verdict stands, whatever the gateway would say to a new charge by now', async () => {
  const declinedByTwo = orderWhere(
    ({ failingAttempts, declines, delayMs }) => failingAttempts === 0 && !declines && delayMs < 100,
  )
  const seed = Array.from({ length: 500 }, (_, i) => i + 2).find((each) => {
    const { failingAttempts, declines } = gatewayBehaviour(each, declinedByTwo)
    return declines && failingAttempts === 0
  })!
  expect(await simulatedGateway(1, books).charge(chargeOf(declinedByTwo), 1, never)).toBe('completed')
  expect(await simulatedGateway(seed, books).charge(chargeOf(declinedByTwo), 1, never)).toBe('completed')
})

test('another key is another charge: the gateway cannot know that it is the same order', async () => {
  const plain = orderWhere(({ failingAttempts, delayMs }) => failingAttempts === 0 && delayMs < 100)
  const gateway = simulatedGateway(1, books)
  for (const key of ['first', 'second']) await gateway.charge(chargeOf(plain, key), 1, never)
  expect((await chargesOf(plain)).length).toBeGreaterThan(1)
})

test('a slow charge ends when the partition is taken away, so that it holds up no rebalance', async () => {
  const slow = orderWhere(({ delayMs }) => delayMs > 100)
  await expect(simulatedGateway(1, books).charge(chargeOf(slow), 9, AbortSignal.abort())).rejects.toThrow('aborted')
})

test('the mail server refuses some mails once and some for ever, and sends one mail for each key', async () => {
  const mailServer = simulatedMailServer(1, books)
  const mail = (behaviour: string): Parameters<typeof mailServer.send>[0] => {
    const orderId = ORDERS.find((each) => mailBehaviour(1, each) === behaviour)!
    return { idempotencyKey: `${orderId}/order.shipped`, orderId, about: 'order.shipped' }
  }
  await mailServer.send(mail('taken'), 1)
  await mailServer.send(mail('taken'), 1)
  await expect(mailServer.send(mail('refused-once'), 1)).rejects.toThrow('try again later')
  await mailServer.send(mail('refused-once'), 2)
  await expect(mailServer.send(mail('refused'), 99)).rejects.toThrow('mailbox unavailable')
  const { rows } = await books.query('select order_id, asked from mail_server_mails order by asked')
  expect(rows).toEqual([
    { order_id: mail('refused-once').orderId, asked: 1 },
    { order_id: mail('taken').orderId, asked: 2 },
  ])
})

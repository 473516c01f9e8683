import { expect, test } from 'vitest'
import { mailBehaviour, simulatedMailServer } from '../../examples/order-processing/shared/mail-server.ts'
import {
  GatewayUnavailable,
  gatewayBehaviour,
  simulatedGateway,
} from '../../examples/order-processing/shared/payment-gateway.ts'

const ORDERS = Array.from({ length: 1_000 }, (_, i) => `order-${i}`)
const never = new AbortController().signal

test('the gateway behaves the same way after a restart, so that a redelivered order meets the same verdict', () => {
  for (const orderId of ORDERS) expect(gatewayBehaviour(7, orderId)).toEqual(gatewayBehaviour(7, orderId))
  expect(gatewayBehaviour(1, 'order-0')).toEqual({ failingAttempts: 0, declines: false, delayMs: 2 })
})

test('another seed makes other orders fail', () => {
  const declined = (seed: number): string[] => ORDERS.filter((orderId) => gatewayBehaviour(seed, orderId).declines)
  expect(declined(1)).not.toEqual(declined(2))
})

test('of a thousand orders some meet each trouble and most meet none', () => {
  const all = ORDERS.map((orderId) => gatewayBehaviour(1, orderId))
  const share = (has: (each: (typeof all)[number]) => boolean): number => all.filter(has).length
  expect(share((each) => each.failingAttempts === 1)).toBeGreaterThan(40)
  expect(share((each) => each.failingAttempts === 2)).toBeGreaterThan(15)
  expect(share((each) => each.declines)).toBeGreaterThan(40)
  expect(share((each) => each.delayMs > 100)).toBeGreaterThan(30)
  expect(share((each) => each.failingAttempts === 0 && !each.declines)).toBeGreaterThan(700)
})

test('a flaky order fails exactly its first attempts, which are fewer than the payment service makes', async () => {
  const gateway = simulatedGateway(1)
  const flaky = ORDERS.find((orderId) => gatewayBehaviour(1, orderId).failingAttempts === 2)!
  await expect(gateway.charge(flaky, 100, 1, never)).rejects.toThrow(GatewayUnavailable)
  await expect(gateway.charge(flaky, 100, 2, never)).rejects.toThrow(GatewayUnavailable)
  await expect(gateway.charge(flaky, 100, 3, never)).resolves.toMatch(/completed|declined/)
})

test('a slow charge ends when the partition is taken away, so that it holds up no rebalance', async () => {
  const slow = ORDERS.find((orderId) => gatewayBehaviour(1, orderId).delayMs > 100)!
  await expect(simulatedGateway(1).charge(slow, 100, 1, AbortSignal.abort())).rejects.toThrow('aborted')
})

test('the mail server refuses some mails once and some for ever', async () => {
  const mailServer = simulatedMailServer(1)
  const first = (behaviour: string): string => ORDERS.find((orderId) => mailBehaviour(1, orderId) === behaviour)!
  await mailServer.send(first('taken'), 'order.shipped', 1)
  await expect(mailServer.send(first('refused-once'), 'order.shipped', 1)).rejects.toThrow('try again later')
  await expect(mailServer.send(first('refused-once'), 'order.shipped', 2)).resolves.toBeUndefined()
  await expect(mailServer.send(first('refused'), 'order.shipped', 99)).rejects.toThrow('mailbox unavailable')
})

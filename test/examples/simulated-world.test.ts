import { expect, test } from 'vitest'
import { mailBehaviour } from '../../examples/order-processing/shared/mail-server.ts'
import { gatewayBehaviour } from '../../examples/order-processing/shared/payment-gateway.ts'

const ORDERS = Array.from({ length: 1_000 }, (_, i) => `order-${i}`)

test('the gateway behaves the same way after a restart, so that a redelivered order meets the same verdict', () => {
  for (const orderId of ORDERS) expect(gatewayBehaviour(7, orderId)).toEqual(gatewayBehaviour(7, orderId))
  expect(gatewayBehaviour(1, 'order-0')).toEqual({
    failingAttempts: 0,
    losesAnswers: false,
    declines: false,
    delayMs: 2,
  })
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

test('of the orders whose gateway fails, some lose their charge’s answer and some are not charged before', () => {
  const flaky = ORDERS.map((orderId) => gatewayBehaviour(1, orderId)).filter((each) => each.failingAttempts > 0)
  const losing = flaky.filter((each) => each.losesAnswers).length
  expect(losing).toBeGreaterThan(20)
  expect(flaky.length - losing).toBeGreaterThan(20)
})

test('some mails are refused once, some for ever, and most are taken', () => {
  const count = (behaviour: string): number =>
    ORDERS.filter((orderId) => mailBehaviour(1, orderId) === behaviour).length
  expect(count('refused')).toBeGreaterThan(10)
  expect(count('refused-once')).toBeGreaterThan(20)
  expect(count('taken')).toBeGreaterThan(850)
})

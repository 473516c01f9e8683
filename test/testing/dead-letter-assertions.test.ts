import { expect, test } from 'vitest'
import { park } from '../../src/consumer/index.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import { deadLettersOf, expectDeadLetter, expectNoDeadLetters, waitUntilIdle } from '../../src/testing/index.ts'
import type { World } from '../consumer/world.ts'
import { GROUP, orders, world } from '../consumer/world.ts'

/** One record handled, one that throws and one that its handler parks. */
async function parked(): Promise<World> {
  const setting = world()
  const consumer = setting.consumer().on(
    orders,
    ({ value }) => {
      if (value.id === 'broken') throw Object.assign(new RangeError('card 4711'), { code: 'E_CARD' })
      return value.id === 'odd' ? park('too odd') : undefined
    },
    { retry: { maxAttempts: 3 } },
  )
  await setting.start(consumer)
  setting.append([{ id: 'fine' }, { id: 'broken' }, { id: 'odd' }])
  const { cluster, runtime } = setting
  await waitUntilIdle(consumer, { cluster, runtime, groupId: GROUP, timeoutMs: 60_000 })
  return setting
}

function failureOf(call: () => unknown): HoldfastError {
  try {
    call()
  } catch (error) {
    if (HoldfastError.is(error, 'HOLDFAST_NOT_AS_EXPECTED')) return error
    throw error
  }
  throw new Error('did not fail')
}

test('dead letters come as what they tell, from a cluster or a driver, by topic or its name', async () => {
  const { cluster, driver } = await parked()
  const letters = deadLettersOf(driver(), orders)
  expect(letters).toMatchObject([
    { origin: { topic: 'orders', offset: 1n }, reason: 'handler-failed', attempts: 3, error: { name: 'RangeError' } },
    { origin: { topic: 'orders', offset: 2n }, reason: 'parked-by-handler', error: { message: 'too odd' } },
  ])
  expect(deadLettersOf(cluster, 'orders')).toEqual(letters)
  cluster.append([{ topic: 'orders.dlq', partition: 0, key: null, value: null, headers: [], timestamp: 0n }])
  expect(failureOf(() => deadLettersOf(cluster, 'orders')).message).toContain('orders.dlq[0]@2 is no dead letter')
})

test('nothing parked passes; else each dead letter is named by its place and reason, its contents only when asked for', async () => {
  expectNoDeadLetters(world().cluster, orders)
  const { cluster } = await parked()
  const { message } = failureOf(() => expectNoDeadLetters(cluster, orders))
  expect(message).toContain('orders has dead letters, and none were expected')
  expect(message).toContain('orders[0]@1: handler-failed after 3 attempts: RangeError E_CARD')
  expect(message).not.toMatch(/4711|broken|odd/)
  const shown = failureOf(() => expectNoDeadLetters(cluster, orders, { showPayloads: true })).message
  expect(shown).toContain('RangeError E_CARD: card 4711: {"id":"broken"}')
})

test('exactly one dead letter that fits is answered with; none and several are told apart from it', async () => {
  const { cluster } = await parked()
  expect(expectDeadLetter(cluster, orders, { errorCode: 'E_CARD', attempts: 3, groupId: GROUP }).origin.offset).toBe(1n)
  expect(expectDeadLetter(cluster, 'orders', { errorMessage: 'odd' }).origin.offset).toBe(2n)
  expect(failureOf(() => expectDeadLetter(cluster, orders)).message).toContain('there are 2\n  - orders[0]@1')
  const none = failureOf(() => expectDeadLetter(cluster, orders, { reason: 'schema-invalid', errorName: 'Error' }))
  expect(none.message).toContain(
    'one dead letter of orders that fits in reason, errorName was expected, and there are 0',
  )
})

test('another dead letter topic can be looked at', async () => {
  const { cluster } = await parked()
  cluster.createTopic({ topic: 'orders.parked' })
  expect(deadLettersOf(cluster, orders, { deadLetterTopic: 'orders.parked' })).toEqual([])
})

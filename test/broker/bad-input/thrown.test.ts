import { expect, onTestFinished, test } from 'vitest'
import { createConsumer } from '../../../src/consumer/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import { TIMING } from '../consumer/shop-topic.ts'
import { thrownEntries } from './index.ts'
import { committedUpTo, openWorld } from './world.ts'

test('whatever a handler throws or gives back, its message is handled or parked once with a bounded account of it, and the next one follows', async () => {
  const world = await openWorld()
  const producer = createProducer({ driver: world.driver })
  await producer.sendMany(thrownEntries.map((_, i) => ({ topic: world.topic, value: { id: 'one-key', amount: i } })))
  await producer.close()
  const calls = new Map<number, number>()
  const handled: number[] = []
  const consumer = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING }).on(
    world.topic,
    ({ value }) => {
      const i = value.amount!
      calls.set(i, (calls.get(i) ?? 0) + 1)
      return thrownEntries[i]!.handle()
    },
    { retry: { maxAttempts: 2, initialDelayMs: 0 } },
  )
  onTestFinished(() => consumer.close())
  consumer.listen('handled', ({ position }) => handled.push(Number(position.offset)))
  const done = committedUpTo(consumer, BigInt(thrownEntries.length))
  await consumer.start()
  await done
  await consumer.close()

  const letters = await world.deadLettersByOrigin()
  const ends = thrownEntries.map(({ name }, i) => {
    const error = letters.get(BigInt(i))?.error
    return {
      name,
      calls: calls.get(i),
      handled: handled.includes(i),
      dead: error === undefined || error === null ? null : { errorClass: error.name, message: error.message },
      stackFits: Buffer.byteLength(error?.stack ?? '') <= 8_192,
    }
  })
  expect(ends).toEqual(
    thrownEntries.map(({ name, dead }) => ({
      name,
      calls: dead === null || dead.errorClass === 'park' ? 1 : 2,
      handled: dead === null,
      dead:
        dead === null
          ? null
          : {
              errorClass: dead.errorClass,
              message: dead.message instanceof RegExp ? expect.stringMatching(dead.message) : (dead.message ?? ''),
            },
      stackFits: true,
    })),
  )
})

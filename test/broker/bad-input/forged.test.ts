import { expect, onTestFinished, test } from 'vitest'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { DeadLetterEntry } from '../../../src/dlq/index.ts'
import { deadLetters } from '../../../src/dlq/index.ts'
import { headerText } from '../../../src/record/index.ts'
import { uniqueName } from '../../helpers/services.ts'
import { TIMING } from '../consumer/shop-topic.ts'
import type { RawRecord } from './raw-records.ts'
import { openRawWriter } from './raw-records.ts'
import { FORGED_NUMBERS } from './index.ts'
import { committedUpTo, openWorld } from './world.ts'

const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const forgery = (headers: readonly (readonly [string, string])[]): RawRecord => ({
  key: utf8('k'),
  value: utf8('{"id":"forged"}'),
  headers: headers.map(([name, value]) => [utf8(name), utf8(value)]),
})

/** Headers that only Holdfast's own topics may carry, on a topic that anybody writes. */
const onTheSource: readonly (readonly (readonly [string, string])[])[] = [
  ...FORGED_NUMBERS.map((text) => [['holdfast-retry-attempt', text]] as const),
  [
    ['holdfast-retry-attempt', '1'],
    ['holdfast-retry-attempt', '999999'],
  ],
  [['holdfast-retry-due-at', '9999-12-31T23:59:59.999Z']],
  [['holdfast-retry-due-at', '253402300799999']],
  [
    ['holdfast-retry-topic', 'payroll-of-another-tenant'],
    ['holdfast-retry-offset', '1'],
  ],
  [
    ['holdfast-dlq-topic', 'payroll-of-another-tenant'],
    ['holdfast-dlq-partition', '0'],
    ['holdfast-dlq-offset', '7'],
    ['holdfast-dlq-timestamp', '0'],
    ['holdfast-dlq-message-id', 'm-of-another-tenant'],
    ['holdfast-dlq-attempts', '1000000'],
    ['holdfast-dlq-first-failed-at', '1970-01-01T00:00:00.000Z'],
  ],
  [['holdfast-dlq-of-a-later-version', 'x']],
]

test('headers that only our own topics may carry are believed nowhere else: not seen, told, attempts from 1, and not taken along to the dead letter topic', async () => {
  const world = await openWorld()
  const writer = await openRawWriter(world.brokers)
  let end = 0n
  for (const forged of onTheSource) {
    end = 1n + (await writer.write(world.topic.name, forgery([['mine', 'a'], ...forged, ['mine', 'b']])))
  }
  await writer.write(world.topic.name, forgery([['mine', 'a']]))
  end++
  const attempts = new Map<bigint, number[]>()
  const visible = new Set<string>()
  const told: { offset: bigint; count: number }[] = []
  const consumer = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING }).on(
    world.topic,
    (_, context) => {
      attempts.set(context.offset, [...(attempts.get(context.offset) ?? []), context.attempt])
      for (const [name] of context.headers) visible.add(name)
      throw new Error('no')
    },
    { retry: { maxAttempts: 2, initialDelayMs: 0 } },
  )
  onTestFinished(() => consumer.close())
  consumer.listen('forged-headers', ({ position, count }) => told.push({ offset: position.offset, count }))
  const done = committedUpTo(consumer, end)
  await consumer.start()
  await done
  await consumer.close()

  expect([...visible]).toEqual(['mine'])
  expect([...attempts.values()]).toEqual([...onTheSource, null].map(() => [1, 2]))
  expect(told).toEqual(onTheSource.map((forged, i) => ({ offset: BigInt(i), count: forged.length })))
  const letters = await world.deadLettersByOrigin()
  expect([...letters.keys()]).toEqual([...onTheSource, null].map((_, i) => BigInt(i)))
  for (const [offset, letter] of letters) {
    expect(letter).toMatchObject({
      origin: { topic: world.topic.name, partition: 0, offset },
      groupId: world.groupId,
      attempts: 2,
      messageId: `${world.topic.name}[0]@${offset}`,
    })
    expect(letter.firstFailedAt!.getTime()).toBeGreaterThan(Date.parse('2020-01-01'))
    expect(letter.headers.map(([name]) => name)).toEqual(offset === end - 1n ? ['mine'] : ['mine', 'mine'])
  }
})

const PLACE = [
  ['holdfast-dlq-topic', 'orders'],
  ['holdfast-dlq-partition', '0'],
  ['holdfast-dlq-offset', '7'],
] as const

/** What stands on a dead letter topic, and whether it is read as a dead letter; with so many attempts. */
const onTheDeadLetterTopic: readonly (readonly [
  headers: readonly (readonly [string, string])[],
  attempts: number | 'foreign',
])[] = [
  [[], 'foreign'],
  [[...PLACE], 0],
  ...FORGED_NUMBERS.map((text) => {
    const attempts = text === '1000000000' ? 1_000_000 : 0
    return [[...PLACE, ['holdfast-dlq-attempts', text]], attempts] as const
  }),
  [[...PLACE, ['holdfast-dlq-attempts', '1'], ['holdfast-dlq-attempts', '3']], 3],
  [[...PLACE, ['holdfast-dlq-first-failed-at', '9999-99-99T99:99:99Z']], 0],
  ...FORGED_NUMBERS.filter((text) => !/^\d{1,10}$/.test(text)).map(
    (text) => [[...PLACE, ['holdfast-dlq-offset', text]], 'foreign'] as const,
  ),
  [[...PLACE, ['holdfast-dlq-partition', '2147483648']], 'foreign'],
  [[...PLACE, ['holdfast-dlq-topic', '']], 'foreign'],
]

test('numbers in the headers of a dead letter are strict decimals within their bounds, and what is none is no dead letter of ours', async () => {
  const world = await openWorld()
  const writer = await openRawWriter(world.brokers)
  let end = 0n
  for (const [headers] of onTheDeadLetterTopic)
    end = 1n + (await writer.write(`${world.topic.name}.dlq`, forgery([...headers, ['place', String(end)]])))
  const read: DeadLetterEntry[] = []
  const places: (string | undefined)[] = []
  const monitor = createConsumer({ driver: world.driver, groupId: uniqueName('monitor'), ...TIMING }).on(
    deadLetters(world.topic),
    ({ value: letter }, context) => {
      read.push(letter)
      places.push(headerText(context.headers, 'place'))
    },
  )
  onTestFinished(() => monitor.close())
  const done = committedUpTo(monitor, end)
  await monitor.start()
  await done

  const asRead = read.map((letter) => (letter.kind === 'foreign' ? 'foreign' : letter.attempts))
  expect(asRead).toEqual(onTheDeadLetterTopic.map(([, expected]) => expected))
  expect(places).toEqual(onTheDeadLetterTopic.map((_, i) => String(i)))
})

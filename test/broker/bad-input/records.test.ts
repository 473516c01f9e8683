import { expect, onTestFinished, test } from 'vitest'
import type { Message, MessageContext } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { Headers } from '../../../src/record/index.ts'
import { TIMING } from '../consumer/shop-topic.ts'
import type { RawRecord } from './raw-records.ts'
import { openRawWriter } from './raw-records.ts'
import { recordEntries } from './index.ts'
import { committedUpTo, openWorld } from './world.ts'

test('whatever a foreign client writes is handled as data or parked byte for byte, and nothing of it is lost or holds up what follows', async () => {
  const world = await openWorld()
  const writer = await openRawWriter(world.brokers)
  const offsets: bigint[] = []
  for (const { record } of recordEntries) offsets.push(await writer.write(world.topic.name, record))

  const seen = new Map<bigint, { message: Message<unknown>; context: MessageContext }>()
  const skipped: bigint[] = []
  const consumer = createConsumer({ driver: world.driver, groupId: world.groupId, ...TIMING }).on(
    world.topic,
    (message, context) => {
      // What a hostile record could break is asked for: all getters of both.
      JSON.stringify(message)
      void [context.headers, context.key, context.deadline, context.signal]
      seen.set(context.offset, { message, context })
    },
  )
  onTestFinished(() => consumer.close())
  consumer.listen('skipped', ({ position }) => skipped.push(position.offset))
  const done = committedUpTo(consumer, offsets.at(-1)! + 1n)
  await consumer.start()
  await done
  expect(consumer.health()).toMatchObject({ status: 'healthy', reasons: [] })
  await consumer.close()

  const letters = await world.deadLettersByOrigin()
  const outcomes = recordEntries.map(({ name, record, expected, headersAfter }, i) => {
    const offset = offsets[i]!
    const handled = seen.get(offset)
    const letter = letters.get(offset)
    if (skipped.includes(offset)) return { name, outcome: { kind: 'skipped' }, bytes: null }
    const bytes = letter ?? handled?.context.record
    const intact = {
      key: hexOf(bytes?.key ?? null) === hexOf(record.key),
      value: hexOf(bytes?.value ?? null) === hexOf(record.value),
      headers: textOfHeaders(bytes?.headers ?? []) === textOfRawHeaders(headersAfter ?? record.headers),
    }
    if (letter !== undefined) {
      return { name, outcome: { kind: 'parked', reason: letter.reason }, intact, calls: handled === undefined ? 0 : 1 }
    }
    const value = 'value' in expected && expected.kind === 'handled' ? { value: handled?.message.value } : {}
    return { name, outcome: { kind: handled === undefined ? 'lost' : 'handled', ...value }, intact }
  })
  const INTACT = { key: true, value: true, headers: true }
  expect(outcomes).toEqual(
    recordEntries.map(({ name, expected }) => {
      if (expected.kind === 'skipped') return { name, outcome: expected, bytes: null }
      return { name, outcome: expected, intact: INTACT, ...(expected.kind === 'parked' ? { calls: 0 } : {}) }
    }),
  )
  expect(seen.size + letters.size + skipped.length).toBe(recordEntries.length)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  expect(await world.committed()).toBe(offsets.at(-1)! + 1n)
})

const hexOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const textOfHeaders = (headers: Headers): string =>
  headers.map(([name, value]) => `${hexOf(Buffer.from(name, 'utf8'))}=${hexOf(value)}`).join()
const textOfRawHeaders = (headers: RawRecord['headers']): string =>
  headers.map(([name, value]) => `${hexOf(name)}=${hexOf(value)}`).join()

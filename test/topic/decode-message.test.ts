import { type } from 'arktype'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { HoldfastError } from '../../src/errors/index.ts'
import type { InboundRecord } from '../../src/record/index.ts'
import type { AnyTopic } from '../../src/topic/index.ts'
import { bytes, decodeMessage, defineTopic } from '../../src/topic/index.ts'

const record = (value: string | Uint8Array | null): InboundRecord => ({
  topic: 'orders',
  partition: 3,
  offset: 4711n,
  key: null,
  value: typeof value === 'string' ? Buffer.from(value) : value,
  headers: [],
  timestamp: 0n,
})
const failure = async (topic: AnyTopic, value: string | Uint8Array | null): Promise<HoldfastError> => {
  try {
    await decodeMessage(topic, record(value))
  } catch (error) {
    return error as HoldfastError
  }
  throw new Error('was decoded')
}

test.each([
  ['zod', z.object({ n: z.coerce.number(), kind: z.string().default('x') }), { n: 7, kind: 'x' }],
  [
    'valibot',
    v.object({ n: v.pipe(v.string(), v.transform(Number)), kind: v.optional(v.string(), 'x') }),
    { n: 7, kind: 'x' },
  ],
  ['arktype', type({ n: 'string.numeric.parse', kind: "string = 'x'" }), { n: 7, kind: 'x' }],
])('gives the handler the output of %s, at once', (_, schema, expected) => {
  const topic = defineTopic({ name: 'orders', schema }) as AnyTopic
  expect(decodeMessage(topic, record('{"n":"7"}'))).toEqual(expected)
})

test('waits for an asynchronous validator', async () => {
  const topic = defineTopic({ name: 'orders', schema: z.string().transform(async (text) => text.length) })
  const decoded = decodeMessage(topic, record('"four"'))
  expect(decoded).toBeInstanceOf(Promise)
  expect(await decoded).toBe(4)
})

test('a handler that changes its bytes does not change what would be parked', async () => {
  const stands = record(new Uint8Array([1, 2, 3]))
  const value = await decodeMessage(defineTopic({ name: 'orders', codec: bytes() }), stands)
  value.fill(9)
  expect(stands.value).toEqual(new Uint8Array([1, 2, 3]))
})

test('bytes that are not the codec’s fail for good, with the place and without the payload', async () => {
  const topic = defineTopic({ name: 'orders', schema: z.unknown() })
  const error = await failure(topic, '{"card": 4111-1111}')
  expect(error).toMatchObject({ code: 'HOLDFAST_DECODE_FAILED', retriable: false })
  expect(error.message).toMatch(
    /^orders\[3\]@4711 cannot be decoded as application\/json: it is not JSON, from character \d+ on$/,
  )
  expect(error.cause).toBeUndefined()
})

test('what a codec of the user says is not shown, since it may be the payload', async () => {
  const decode = (): never => {
    throw new SyntaxError('unexpected "4111-1111"')
  }
  const codec = { contentType: 'text/x', encode: () => new Uint8Array(), decode }
  const error = await failure(defineTopic({ name: 'orders', schema: z.unknown(), codec }), 'x')
  expect(error.message).toMatch(
    /cannot be decoded as text\/x: the codec threw SyntaxError at decode-message\.test\.ts:\d+:\d+$/,
  )
})

test('a tombstone has nothing to decode', async () => {
  expect(await failure(defineTopic({ name: 'orders', codec: bytes() }), null)).toMatchObject({
    code: 'HOLDFAST_DECODE_FAILED',
    message: 'orders[3]@4711 is a tombstone: it has no value to decode',
  })
})

test('a value that does not fit fails for good, with its places', async () => {
  const topic = defineTopic({ name: 'orders', schema: z.object({ items: z.array(z.object({ sku: z.string() })) }) })
  const error = await failure(topic, '{"items":[{"sku":4111}]}')
  expect(error).toMatchObject({
    code: 'HOLDFAST_SCHEMA_INVALID',
    retriable: false,
    problems: [{ path: 'items[0].sku', message: 'does not fit the schema (invalid_type, expected string)' }],
  })
})

test('an asynchronous validator that rejects is retriable, since what it asked may be down; a synchronous one that throws is not', async () => {
  const throws = (): never => {
    throw new Error('down')
  }
  const topicOf = (validate: () => never): AnyTopic =>
    defineTopic({ name: 'orders', schema: { '~standard': { version: 1, vendor: 'x', validate } } })
  expect(await failure(topicOf(throws), '1')).toMatchObject({ code: 'HOLDFAST_SCHEMA_INVALID', retriable: false })
  expect(await failure(topicOf((async () => throws()) as never), '1')).toMatchObject({
    code: 'HOLDFAST_SCHEMA_INVALID',
    retriable: true,
  })
})

test('names out of the payload that no identifier could be are not shown in a path', async () => {
  const topic = defineTopic({ name: 'orders', schema: z.record(z.string(), z.number()) })
  const error = await failure(topic, JSON.stringify({ [`a\r\n\u001b${'x'.repeat(500)}`]: 'x' }))
  expect(error.problems[0]!.path).toBe('["?"]')
})

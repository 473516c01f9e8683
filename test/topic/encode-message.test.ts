import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { HoldfastError } from '../../src/errors/index.ts'
import { headerText } from '../../src/record/index.ts'
import type { EncodedMessage, MessageOptions, SendableTopic } from '../../src/topic/index.ts'
import { bytes, defineTopic, encodeMessage, prepareTombstone, sourceHeader } from '../../src/topic/index.ts'

const surroundings = {
  ids: () => 'id-1',
  clock: { now: () => 1_700_000_000_000.9 },
  source: sourceHeader('shop'),
  nullHeaderValue: true,
}
const order = z.object({ id: z.string(), items: z.array(z.object({ sku: z.string() })).default([]) })
const orders = defineTopic({ name: 'orders', schema: order, key: (event) => event.id })

const encode = <Input, Output>(
  topic: SendableTopic<Input, Output>,
  value: Input,
  options: MessageOptions = {},
): EncodedMessage | Promise<EncodedMessage> => encodeMessage(topic, value, options, surroundings)

async function problemsOf(work: () => unknown): Promise<readonly string[]> {
  try {
    await work()
  } catch (error) {
    if (!HoldfastError.is(error, 'HOLDFAST_MESSAGE_INVALID')) throw error
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}
const GETS = (get: () => never): PropertyDescriptor => ({ enumerable: true, get })
const text = (bytesOrNull: Uint8Array | null): string => Buffer.from(bytesOrNull!).toString()

describe('a message that fits', () => {
  test('has its key, its validated input, an id, a source, a content type and a time, at once', async () => {
    const message = (await encode(orders, { id: 'o-1' })) as EncodedMessage
    expect(encode(orders, { id: 'o-1' })).not.toBeInstanceOf(Promise)
    expect({ ...message, headers: message.headers.map(([name, value]) => [name, text(value)]) }).toEqual({
      topic: 'orders',
      id: 'id-1',
      key: Buffer.from('o-1'),
      value: Buffer.from('{"id":"o-1"}'),
      headers: [
        ['holdfast-id', 'id-1'],
        ['holdfast-source', 'shop'],
        ['holdfast-time', '1700000000000'],
        ['content-type', 'application/json'],
      ],
      timestamp: 1_700_000_000_000n,
    })
  })

  test.each([
    [
      'zod with a transform, a default and a coercion',
      defineTopic({
        name: 'a',
        schema: z.object({
          id: z.coerce.string(),
          at: z.string().transform((each) => each.length),
          kind: z.string().default('x'),
        }),
        key: (event) => `${event.id.padStart(3, '0')}/${event.at.toFixed(1)}/${event.kind}`,
      }) as SendableTopic<unknown>,
      { id: 7, at: 'noon' },
      '007/4.0/x',
    ],
    [
      'valibot',
      defineTopic({
        name: 'a',
        schema: v.object({ id: v.pipe(v.string(), v.transform(Number)) }),
        key: (event) => event.id.toFixed(2),
      }) as SendableTopic<unknown>,
      { id: '7' },
      '7.00',
    ],
    [
      'arktype',
      defineTopic({
        name: 'a',
        schema: type({ id: 'string.numeric.parse' }),
        key: (event) => event.id.toFixed(2),
      }) as SendableTopic<unknown>,
      { id: '7' },
      '7.00',
    ],
  ])('of %s is keyed by the output, while the input is sent', async (_, topic, value, key) => {
    const message = await encode(topic, value)
    expect(text(message.key)).toBe(key)
    expect(JSON.parse(text(message.value))).toEqual(value)
  })

  test('of an asynchronous validator is encoded as it was when it was given', async () => {
    const topic = defineTopic({ name: 'a', schema: order.refine(async () => true), key: (event) => event.id })
    const value = { id: 'o-1' }
    const encoded = encode(topic, value)
    value.id = 'changed meanwhile'
    expect(text((await encoded).value)).toBe('{"id":"o-1"}')
  })

  test('keeps the order, the repeats and the bytes of the caller’s headers, after our own', async () => {
    const message = await encode(
      orders,
      { id: 'o-1' },
      {
        id: 'mine',
        headers: [
          ['b', '1'],
          ['a', null],
          ['b', new Uint8Array([255])],
          ['__proto__', ''],
          ['traceparent', '00-x'],
        ],
      },
    )
    expect(message.headers.slice(4)).toEqual([
      ['b', Buffer.from('1')],
      ['a', null],
      ['b', Buffer.from([255])],
      ['__proto__', Buffer.alloc(0)],
      ['traceparent', Buffer.from('00-x')],
    ])
    expect(headerText(message.headers, 'holdfast-id')).toBe('mine')
  })

  test('has one content type: the caller’s in place of the codec’s', async () => {
    const { headers } = await encode(
      orders,
      { id: 'o-1' },
      { headers: { 'content-type': 'application/vnd.order+json' } },
    )
    expect(headers.map(([name, value]) => [name, text(value)])).toEqual([
      ['holdfast-id', 'id-1'],
      ['holdfast-source', 'shop'],
      ['holdfast-time', '1700000000000'],
      ['content-type', 'application/vnd.order+json'],
    ])
  })

  test('does not see what the caller does to its bytes afterwards', async () => {
    const topic = defineTopic({ name: 'a', codec: bytes(), key: (value) => value.subarray(0, 1) })
    const value = new Uint8Array([1, 2])
    const header = new Uint8Array([3])
    const message = await encode(topic, value, { headers: { a: header } })
    value.fill(9)
    header.fill(9)
    expect([message.key, message.value, message.headers.at(-1)![1]]).toEqual([
      Buffer.from([1]),
      Buffer.from([1, 2]),
      Buffer.from([3]),
    ])
  })

  test.each([
    [0, 0n],
    [5n, 5n],
    [new Date(7), 7n],
    [2n ** 53n - 1n, 2n ** 53n - 1n],
  ])(
    'of the time %s has that time, and says it in a header, which no topic overwrites',
    async (timestamp, expected) => {
      const message = await encode(orders, { id: 'o-1' }, { timestamp })
      expect(message.timestamp).toBe(expected)
      expect(headerText(message.headers, 'holdfast-time')).toBe(String(expected))
    },
  )

  test('of an asynchronous validator has the options that were given, whatever the caller does to them meanwhile', async () => {
    const topic = defineTopic({ name: 'a', schema: order.refine(async () => true), key: (event) => event.id })
    const options = { id: 'mine', headers: { a: '1' }, timestamp: new Date(7), partition: 1 }
    const encoded = encode(topic, { id: 'o-1' }, options)
    options.headers.a = '2'
    options.timestamp.setTime(8)
    Object.assign(options, { id: 'changed', partition: 2 })
    const message = await encoded
    expect(message).toMatchObject({ id: 'mine', timestamp: 7n, partition: 1 })
    expect(headerText(message.headers, 'a')).toBe('1')
  })
})

describe('a message that does not fit', () => {
  test('is refused with every problem by its place, and without its payload', async () => {
    const value = { id: 7, items: [{ sku: 'secret' }, { sku: null }] } as never
    const options = { id: '', headers: { 'Holdfast-Id': 'secret' }, partition: 0.5, timestamp: -5 }
    const problems = await problemsOf(() => encode(orders, value, options))
    expect(problems).toEqual([
      'id: does not fit the schema (invalid_type, expected string)',
      'items[1].sku: does not fit the schema (invalid_type, expected string)',
      '(id): must be well-formed text of 1 to 200 characters',
      '(headers)[0]: has a name that begins with "holdfast-", which is reserved',
      '(timestamp): must be an integer of 0 to 2^53 - 1: milliseconds since the epoch',
      '(partition): must be an integer of 0 to 2^31 - 1',
    ])
  })

  test.each([
    ['valibot', v.object({ a: v.object({ n: v.number() }) }), 'a.n: does not fit the schema (number, expected number)'],
    ['arktype', type({ a: { n: 'number' } }), 'a.n: does not fit the schema (domain)'],
  ])('is refused with the place by %s, whose message quotes the value', async (_, schema, problem) => {
    const topic = defineTopic({ name: 'a', schema, key: 'none' }) as SendableTopic<unknown>
    expect(await problemsOf(() => encode(topic, { a: { n: '4111-1111' } }))).toEqual([problem])
  })

  test.each<[unknown, string]>([
    [undefined, 'is missing; a key is text or a Uint8Array'],
    [null, 'is missing; a key is text or a Uint8Array'],
    ['', 'is empty'],
    [new Uint8Array(0), 'is empty'],
    [7, 'is a number; a key is text or a Uint8Array'],
    [NaN, 'is a number; a key is text or a Uint8Array'],
    [{ id: 7 }, 'is an object; a key is text or a Uint8Array'],
    [Promise.resolve('x'), 'is an object; a key is text or a Uint8Array'],
    ['a\ud800', 'is text with a lone surrogate, which has no UTF-8'],
  ])('has no key in %o', async (key, problem) => {
    const topic = defineTopic({ name: 'a', schema: order, key: () => key as string })
    expect(await problemsOf(() => encode(topic, { id: 'o-1' }))).toEqual([`(key): ${problem}`])
  })

  test('is refused when its topic has no key, or is none at all, from where no types hold', async () => {
    const read = defineTopic({ name: 'a', schema: order })
    expect(await problemsOf(() => encode(read as never, { id: 'o-1' }))).toEqual([
      "(key): the topic defines no key; give defineTopic one, or 'none' where order does not matter",
    ])
    expect(await problemsOf(() => encode('orders' as never, {}))).toEqual(['(topic): must come from defineTopic'])
    const ofTheBroker = { ...defineTopic({ name: 'a', schema: order, key: 'none' }), name: '__consumer_offsets' }
    expect(await problemsOf(() => encode(ofTheBroker, { id: 'o-1' }))).toEqual(['(topic): must come from defineTopic'])
  })

  test('is refused when a function of the user throws, by class and line, without what it says', async () => {
    const secret = (): never => {
      throw new TypeError('4111-1111')
    }
    const keyThrows = defineTopic({ name: 'a', schema: order, key: secret })
    const validatorThrows = defineTopic({
      name: 'a',
      schema: { '~standard': { version: 1, vendor: 'x', validate: secret } },
      key: 'none',
    })
    const validatorRejects = defineTopic({
      name: 'a',
      schema: { '~standard': { version: 1, vendor: 'x', validate: async () => secret() } },
      key: 'none',
    })
    const codecThrows = defineTopic({
      name: 'a',
      schema: order,
      codec: { contentType: 'x', encode: secret, decode: secret },
      key: 'none',
    })
    for (const [topic, what] of [
      [keyThrows, String.raw`\(key\): the key function`],
      [validatorThrows, String.raw`\(value\): the validator`],
      [validatorRejects, String.raw`\(value\): the validator`],
      [codecThrows, String.raw`\(value\): the codec`],
    ] as const) {
      const [problem, ...others] = await problemsOf(() => encode(topic as SendableTopic<unknown>, { id: 'o-1' }))
      expect(others).toEqual([])
      expect(problem).toMatch(new RegExp(String.raw`^${what} threw TypeError at encode-message\.test\.ts:\d+:\d+$`))
    }
  })

  test('names a field once when both the validator and the codec refuse it', async () => {
    const topic = defineTopic({ name: 'a', schema: z.object({ n: z.number(), m: z.any() }), key: 'none' })
    expect(await problemsOf(() => encode(topic, { n: NaN, m: 5n }))).toEqual([
      'n: does not fit the schema (invalid_type, expected number)',
    ])
    expect(await problemsOf(() => encode(topic, { n: 1, m: 5n }))).toEqual(['m: is a BigInt, which JSON does not have'])
  })

  test('of a depth that overflows a recursive validator is refused for its depth', async () => {
    type Tree = Tree[]
    const tree: z.ZodType<Tree> = z.lazy(() => z.array(tree))
    const topic = defineTopic({ name: 'a', schema: tree, key: 'none' })
    const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as Tree
    const problems = await problemsOf(() => encode(topic, deep))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(/is nested deeper than 64 levels$/)
  })

  test('of a million bad items is refused in a few lines', async () => {
    const topic = defineTopic({ name: 'a', schema: z.array(z.string()), key: 'none' })
    const problems = await problemsOf(() => encode(topic, Array(5_000).fill(1) as never))
    expect(problems).toHaveLength(21)
    expect(problems.at(-1)).toBe('(value): has 4980 more problems')
  })

  test.each<[unknown, string]>([
    ['a=b', '(headers): must be a list of [name, value] or an object'],
    [[['a']], '(headers)[0]: must be [name, value]'],
    [[[5, 'a']], '(headers)[0]: has a name that is not text'],
    [[['\ud800', 'a']], '(headers)[0]: has a name with a lone surrogate, which has no UTF-8'],
    [{ a: 5 }, '(headers)[0]: has a value that is a number; give text or a Uint8Array'],
    [{ a: undefined }, '(headers)[0]: has a value that is undefined; give text or a Uint8Array'],
    [{ a: '\udc00' }, '(headers)[0]: has text with a lone surrogate, which has no UTF-8'],
  ])('of the headers %j is refused before a driver writes it and then rejects them', async (headers, problem) => {
    expect(await problemsOf(() => encode(orders, { id: 'o-1' }, { headers: headers as never }))).toEqual([problem])
  })

  test('is refused when its options are none, or throw while they are read, and what they say is not shown', async () => {
    const secret = (): never => {
      throw new TypeError('4111-1111')
    }
    const at = String.raw`TypeError at encode-message\.test\.ts:\d+:\d+$`
    const later = defineTopic({ name: 'a', schema: order.refine(async () => true), key: 'none' })
    for (const topic of [orders, later] as SendableTopic<unknown>[]) {
      const problemsWith = (options: unknown): Promise<readonly string[]> =>
        problemsOf(() => encode(topic, { id: 'o-1' }, options as never))
      for (const none of [null, 5, 'id']) expect(await problemsWith(none)).toEqual(['(options): must be an object'])
      const [headers, ...others] = await problemsWith({ headers: Object.defineProperty({}, 'a', GETS(secret)) })
      expect(headers).toMatch(new RegExp(String.raw`^\(headers\): cannot be read: ${at}`))
      const [id] = await problemsWith(Object.defineProperty({}, 'id', GETS(secret)))
      expect(id).toMatch(new RegExp(String.raw`^\(options\): cannot be read: ${at}`))
      expect(others).toEqual([])
    }
    expect(prepareTombstone(orders, 'o-1', null as never, surroundings)).toEqual({
      kind: 'invalid',
      problems: [{ path: '(options)', message: 'must be an object' }],
    })
  })

  test('names fields of a schema, and no names that come with the value: a record may be keyed by card numbers', async () => {
    const schema = z.object({ cards: z.record(z.string(), z.array(z.object({ cvc: z.number() }))) })
    const topic = defineTopic({ name: 'a', schema, key: 'none' })
    const value = {
      cards: { '4111-1111': [{ cvc: 'x' }], [`a${'b'.repeat(64)}`]: [{ cvc: 'x' }], $_k9: [{ cvc: 'x' }] },
    }
    const places = (await problemsOf(() => encode(topic, value as never))).map((each) => each.split(':')[0])
    expect(places).toEqual(['cards["?"][0].cvc', 'cards["?"][0].cvc', 'cards.$_k9[0].cvc'])
  })

  test('of a null header is refused where the driver cannot send one', async () => {
    const options = { headers: [['a', null]] as const }
    const narrow = { ...surroundings, nullHeaderValue: false }
    expect(await problemsOf(() => encodeMessage(orders, { id: 'o-1' }, options, narrow))).toEqual([
      '(headers)[0]: is null, which the driver cannot send',
    ])
  })

  test.each([-1, 1.5, NaN, Infinity, '5', new Date(NaN), -1n, 2n ** 53n, 2n ** 63n])(
    'of the time %s is refused',
    async (timestamp) => {
      expect(await problemsOf(() => encode(orders, { id: 'o-1' }, { timestamp: timestamp as number }))).toHaveLength(1)
    },
  )
})

describe('a tombstone', () => {
  test('has a key and no value and no content type', () => {
    const prepared = prepareTombstone(orders, 'o-1', {}, surroundings)
    if (prepared.kind !== 'encoded') throw new Error('was refused')
    expect(prepared.message.value).toBeNull()
    expect(prepared.message.headers.map(([name]) => name)).toEqual(['holdfast-id', 'holdfast-source', 'holdfast-time'])
  })

  test('needs a key that is one, and a topic that has keys', () => {
    const keyless = defineTopic({ name: 'a', schema: order, key: 'none' })
    expect(prepareTombstone(orders, '', {}, surroundings)).toEqual({
      kind: 'invalid',
      problems: [{ path: '(key)', message: 'is empty' }],
    })
    expect(prepareTombstone(keyless, 'o-1', {}, surroundings).kind).toBe('invalid')
  })
})

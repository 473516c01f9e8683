import { z } from 'zod'
import type { ErrorCode } from '../../../src/errors/index.ts'
import type { SendOptions } from '../../../src/producer/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import { CANARIES } from './canaries.ts'

/** One call of `send`, and what has to become of it. Types would keep most of these out; services in JavaScript have none. */
export interface SendEntry {
  readonly name: string
  readonly value: unknown
  /** What the topic's function says the key is; without it `k`. */
  readonly key?: () => unknown
  readonly options?: SendOptions
  /** What stands in place of parts of the topic. */
  readonly topic?: object
  readonly expected:
    /** Refused with this code and, where the code lists problems, at these places. */
    | { readonly kind: 'refused'; readonly code: ErrorCode; readonly paths?: readonly string[] }
    /** Sent as data: the log has this text, this key, and after our own headers the given ones. */
    | { readonly kind: 'sent'; readonly text?: string }
}

/** Whose schema lets everything through: what the codec, the key and the envelope refuse is tested here. */
export const anyTopic = (name: string, key: () => unknown) =>
  defineTopic({ name, schema: z.any(), key: key as () => string })

const { card, thrown } = CANARIES
const quoting = (): never => {
  throw new TypeError(`${thrown} ${card}`)
}

const invalid = (...paths: readonly string[]): SendEntry['expected'] => ({
  kind: 'refused',
  code: 'HOLDFAST_MESSAGE_INVALID',
  paths,
})
const SENT: SendEntry['expected'] = { kind: 'sent' }

const badValue = (name: string, value: unknown, path = '(value)'): SendEntry => ({
  name,
  value,
  expected: invalid(path),
})
const badKey = (name: string, key: () => unknown): SendEntry => ({ name, value: card, key, expected: invalid('(key)') })
const badOption = (name: string, options: object, ...paths: readonly string[]): SendEntry => ({
  name,
  value: card,
  options: options as SendOptions,
  expected: invalid(...paths),
})
const data = (name: string, value: unknown, text = JSON.stringify(value)): SendEntry => ({
  name,
  value,
  expected: { kind: 'sent', text },
})
const withHeaders = (name: string, headers: readonly (readonly [string, string | Uint8Array | null])[]): SendEntry => ({
  name,
  value: 'v',
  options: { headers },
  expected: SENT,
})

const DEEP = 100_000
const nested = (levels: number): unknown => {
  let value: unknown = card
  for (let i = 0; i < levels; i++) value = [value]
  return value
}
function cycle(): unknown {
  const order: Record<string, unknown> = { card }
  order['self'] = { order }
  return order
}
function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const values: readonly SendEntry[] = [
  badValue('undefined, which is no tombstone', undefined),
  badValue('a function', quoting),
  badValue('a symbol', Symbol(card)),
  badValue('a BigInt', 10n),
  badValue('a BigInt within', { items: [{ count: 10n }] }, 'items[0].count'),
  badValue('NaN', NaN),
  badValue('an infinity within', { amount: -Infinity }, 'amount'),
  badValue('an invalid date', { at: new Date(NaN) }, 'at'),
  badValue('a Map', new Map([[card, card]])),
  badValue('a Set within', { tags: new Set([card]) }, 'tags'),
  badValue('an Error', new Error(card)),
  badValue('a RegExp', /4111/),
  badValue('a Promise', Promise.resolve(card)),
  badValue('a Buffer', Buffer.from(card)),
  badValue('bytes within', { scan: new Uint8Array(4) }, 'scan'),
  badValue('undefined in a list', { items: [1, undefined] }, 'items[1]'),
  badValue('a list with a hole', [1, , 3], '[1]'), // oxlint-disable-line no-sparse-arrays -- the hole is the point
  badValue('a cycle', cycle(), 'self.order'),
  badValue(
    'a getter that throws',
    {
      get card() {
        return quoting()
      },
    },
    'card',
  ),
  badValue('a toJSON that throws', { item: { toJSON: quoting } }, 'item'),
  badValue('a proxy that was revoked', revoked()),
  badValue('65 levels', nested(65), '[0]'.repeat(32) + '…'),
  badValue('100,000 levels', nested(DEEP), '[0]'.repeat(32) + '…'),
  badValue('a name that is personal data', { [card]: 10n }, '["?"]'),
  data('null, as JSON and no tombstone', null, 'null'),
  data('a lone surrogate, escaped', { text: 'a\ud800' }, '{"text":"a\\ud800"}'),
  data('NUL, line breaks, escapes, U+2028', { text: '\u0000\r\n\u001b[31m\u2028' }),
  data('__proto__ as a name of its own', JSON.parse('{"__proto__":{"polluted":true}}')),
  data('constructor.prototype', { constructor: { prototype: { polluted: true } } }),
  data('an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), '{"a":1}'),
  data('2^53 + 1, which is 2^53 before anybody sees it', 2 ** 53 + 1, '9007199254740992'),
  data('minus zero', -0, '0'),
  data('64 levels', nested(64)),
  data('900 kB', 'x'.repeat(900_000)),
]

const keys: readonly SendEntry[] = [
  badKey('undefined', () => undefined),
  badKey('null', () => null),
  badKey('an empty text', () => ''),
  badKey('no bytes', () => new Uint8Array()),
  badKey('a number', () => 7),
  badKey('NaN', () => NaN),
  badKey('a BigInt', () => 7n),
  badKey('true', () => true),
  badKey('an object', () => ({ card })),
  badKey('a list', () => [card]),
  badKey('a promise', () => Promise.resolve(card)),
  badKey('a lone surrogate, which would be the same key as any other', () => `${card}\ud800`),
  badKey('a function that throws', quoting),
  ...['__proto__', 'constructor', 'a\r\nb\u001b[2J\u2028', '\u0000', ' '].map((key): SendEntry => ({
    name: `the key ${JSON.stringify(key)}`,
    value: 'v',
    key: () => key,
    expected: SENT,
  })),
  { name: 'a key of bytes that are no UTF-8', value: 'v', key: () => Uint8Array.of(0xff, 0), expected: SENT },
]

const headers: readonly SendEntry[] = [
  badOption('headers that are a number', { headers: 7 }, '(headers)'),
  badOption('headers that are text', { headers: card }, '(headers)'),
  badOption(
    'headers that throw',
    {
      headers: {
        get a() {
          return quoting()
        },
      },
    },
    '(headers)',
  ),
  badOption('a pair of one', { headers: [[card]] }, '(headers)[0]'),
  badOption('a name that is a number', { headers: [[7, card]] }, '(headers)[0]'),
  badOption('a name with a lone surrogate', { headers: [['a\ud800', card]] }, '(headers)[0]'),
  badOption(
    'a name of ours',
    { headers: { 'Holdfast-Retry-Attempt': '1', 'holdfast-dlq-topic': card } },
    '(headers)[0]',
    '(headers)[1]',
  ),
  ...[7, true, 10n, undefined, { card }, [card], Symbol(card), '\ud800'].map((value) =>
    badOption(
      `a value that is ${typeof value}`,
      {
        headers: [
          ['good', 'a'],
          ['bad', value],
        ],
      },
      '(headers)[1]',
    ),
  ),
  withHeaders(
    'names that a plain object would swallow',
    ['__proto__', 'constructor', 'toString', '0'].map((name) => [name, 'x']),
  ),
  withHeaders('a name three times, null and empty', [
    ['a', '1'],
    ['a', null],
    ['a', ''],
  ]),
  withHeaders('an empty name', [['', 'nobody']]),
  withHeaders('line breaks, escapes and U+2028', [['a\r\nb: c', '\u001b[31m\r\n\u2028']]),
  withHeaders('every byte', [['bytes', Uint8Array.from({ length: 256 }, (_, i) => i)]]),
  withHeaders(
    '10,000 headers',
    Array.from({ length: 10_000 }, (_, i) => [`h${i % 100}`, String(i)]),
  ),
  withHeaders('a header of 900 kB', [['huge', 'x'.repeat(900_000)]]),
  withHeaders('a traceparent of nonsense', [['traceparent', 'nonsense']]),
  withHeaders('a baggage of 100 kB', [['baggage', `user=${'b'.repeat(100_000)}`]]),
]

const refused = (name: string, options: SendOptions, code: ErrorCode, value: unknown = card): SendEntry => ({
  name,
  value,
  options,
  expected: { kind: 'refused', code },
})
const inTenYears = (): Date => new Date(Date.now() + 10 * 365 * 86_400_000)

const options: readonly SendEntry[] = [
  ...[-1, 1.5, NaN, Infinity, '5', new Date(NaN), -5n, 2n ** 53n, {}].map((timestamp) =>
    badOption(`a timestamp that is ${typeof timestamp} ${String(Number(timestamp))}`, { timestamp }, '(timestamp)'),
  ),
  ...[-1, 0.5, NaN, '0', 2 ** 31, null].map((partition) =>
    badOption(`the partition ${String(partition)}`, { partition }, '(partition)'),
  ),
  ...['', 'i'.repeat(201), 'a\ud800', 7, null, { card }].map((id) =>
    badOption(`an id that is ${typeof id}`, { id }, '(id)'),
  ),
  badOption(
    'everything at once',
    { id: '', timestamp: -1, partition: -1, headers: 7 },
    '(headers)',
    '(id)',
    '(partition)',
    '(timestamp)',
  ),
  badOption(
    'getters that throw',
    {
      get headers() {
        return quoting()
      },
    },
    '(options)',
  ),
  refused('a partition that is not there', { partition: 7 }, 'HOLDFAST_PARTITION_UNKNOWN'),
  refused('a time that the broker refuses', { timestamp: inTenYears() }, 'HOLDFAST_REFUSED'),
  refused('2 MB', {}, 'HOLDFAST_RECORD_TOO_LARGE', card.repeat(2 ** 17)),
  refused('a header of 2 MB', { headers: { huge: card.repeat(2 ** 17) } }, 'HOLDFAST_RECORD_TOO_LARGE'),
]

const onTopic = (name: string, topic: object, expected: SendEntry['expected']): SendEntry => ({
  name,
  value: card,
  topic,
  expected,
})

/** Topics that did not come out of `defineTopic` as they are. */
const topics: readonly SendEntry[] = [
  ...['a b', 'a/b', 'é', '..', 'a\r\nb', 'n'.repeat(250)].map((name) =>
    onTopic(`a topic ${JSON.stringify(name)}`, { name }, invalid('(topic)')),
  ),
  onTopic('an empty name', { name: '' }, invalid('(topic)')),
  onTopic("a topic of the broker's", { name: '__consumer_offsets' }, invalid('(topic)')),
  onTopic('a name that is no text', { name: 7 }, invalid('(topic)')),
  onTopic('no schema', { schema: undefined }, invalid('(topic)')),
  onTopic('no codec', { codec: undefined }, invalid('(topic)')),
  onTopic('no key', { key: undefined }, invalid('(key)')),
  onTopic(
    'a topic that is not there',
    { name: 'nobody-has-made-this-topic' },
    { kind: 'refused', code: 'HOLDFAST_TOPIC_UNKNOWN' },
  ),
]

/** Everything that can be given to `send`. */
export const sendEntries: readonly SendEntry[] = [...values, ...keys, ...headers, ...options, ...topics]

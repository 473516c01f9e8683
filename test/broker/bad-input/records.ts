import type { ParkReason } from '../../../src/dlq/index.ts'
import type { RawRecord } from './raw-records.ts'

type Bytes = Uint8Array | null
type RawHeaders = RawRecord['headers']

/** A record that somebody wrote past Holdfast, and what has to become of it. */
export interface RecordEntry {
  readonly name: string
  readonly record: RawRecord
  readonly expected:
    | { readonly kind: 'parked'; readonly reason: ParkReason }
    /** Handled as data, with this value where that matters. */
    | { readonly kind: 'handled'; readonly value?: unknown }
    /** A tombstone without a handler for tombstones. */
    | { readonly kind: 'skipped' }
  /** What the handler, or the dead letter, has of the headers; without it all of them, byte for byte and in order. */
  readonly headersAfter?: RawHeaders
}

const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const hex = (digits: string): Uint8Array => Buffer.from(digits.replaceAll(' ', ''), 'hex')
const header = (name: string, value: string | Bytes): RawHeaders[number] => [
  utf8(name),
  typeof value === 'string' ? utf8(value) : value,
]

const GOOD = utf8('{"id":"good"}')
const record = (value: string | Bytes, headers: RawHeaders = [], key: Bytes = utf8('k')): RawRecord => ({
  key,
  value: typeof value === 'string' ? utf8(value) : value,
  headers,
})
const parked = (reason: ParkReason): RecordEntry['expected'] => ({ kind: 'parked', reason })
const handled = (value?: unknown): RecordEntry['expected'] =>
  value === undefined ? { kind: 'handled' } : { kind: 'handled', value }

const value = (name: string, given: string | Bytes, expected: RecordEntry['expected']): RecordEntry => ({
  name,
  record: record(given, [header('first', 'a'), header('second', hex('00 ff')), header('first', null)]),
  expected,
})
const headers = (name: string, given: RawHeaders, headersAfter?: RawHeaders): RecordEntry => ({
  name,
  record: record(GOOD, given),
  expected: handled(),
  ...(headersAfter === undefined ? {} : { headersAfter }),
})

const DEEP = 100_000

/** Bytes of values: what is no JSON, what is JSON that does not fit, and what is data however odd it looks. */
const values: readonly RecordEntry[] = [
  value('an empty value', '', parked('decode-failed')),
  value('text that is no JSON', 'hello', parked('decode-failed')),
  value('JSON that was cut off', '{"id":"a', parked('decode-failed')),
  value('two values', '{"id":"a"}{"id":"b"}', parked('decode-failed')),
  value('a byte order mark', Buffer.concat([hex('ef bb bf'), GOOD]), parked('decode-failed')),
  value('UTF-16', Buffer.from('{"id":"a"}', 'utf16le'), parked('decode-failed')),
  value('bytes that are no UTF-8', hex('7b 22 69 64 22 3a 22 ff fe 22 7d'), parked('decode-failed')),
  value('an overlong encoding of a slash', hex('7b 22 69 64 22 3a 22 c0 af 22 7d'), parked('decode-failed')),
  value('a surrogate in UTF-8', hex('7b 22 69 64 22 3a 22 ed a0 80 22 7d'), parked('decode-failed')),
  value('a raw NUL within a text', hex('7b 22 69 64 22 3a 22 00 22 7d'), parked('decode-failed')),
  value('nothing but NULs', Buffer.alloc(64), parked('decode-failed')),
  value('the frame of a schema registry', Buffer.concat([hex('00 00 00 00 07'), GOOD]), parked('decode-failed')),
  value('gzip', hex('1f 8b 08 00 00 00 00 00 00 03'), parked('decode-failed')),
  value('100,000 arrays in one another', `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`, parked('decode-failed')),
  value('100,000 objects in one another', `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`, parked('decode-failed')),
  value('100,000 brackets that never close', '['.repeat(DEEP), parked('decode-failed')),
  value('65 levels', `{"id":"a","deep":${'['.repeat(64)}${']'.repeat(64)}}`, parked('decode-failed')),
  value('NaN', '{"id":"a","amount":NaN}', parked('decode-failed')),
  value('null', 'null', parked('schema-invalid')),
  value('a number', '7', parked('schema-invalid')),
  value('a list', '[{"id":"a"}]', parked('schema-invalid')),
  value('1e400, which is an infinity once it is parsed', '{"id":"a","amount":1e400}', parked('schema-invalid')),
  value('a number that is text', '{"id":"a","amount":"10"}', parked('schema-invalid')),
  value('no id', '{}', parked('schema-invalid')),
  value('an id of another type', '{"id":{"toString":"x"}}', parked('schema-invalid')),
  value('an inherited name for the id', '{"__proto__":{"id":"a"}}', parked('schema-invalid')),
  value('2^53 + 1, which loses a digit as everywhere in JavaScript', '{"id":"a","amount":9007199254740993}', {
    kind: 'handled',
    value: { id: 'a', amount: 9_007_199_254_740_992 },
  }),
  value('a name twice, of which the last counts', '{"id":"first","id":"last"}', handled({ id: 'last' })),
  value('an escaped NUL', '{"id":"a\\u0000b"}', handled({ id: 'a\u0000b' })),
  value('an escaped lone surrogate', '{"id":"\\ud800"}', handled({ id: '\ud800' })),
  value('line breaks, escapes of a terminal, U+2028', '{"id":"a\\r\\n\\u001b[31m\\u2028"}', handled()),
  value('__proto__ as a name', '{"id":"a","__proto__":{"polluted":true}}', handled()),
  value(
    'constructor.prototype as names',
    '{"id":"a","constructor":{"prototype":{"polluted":true}}}',
    handled({ id: 'a', constructor: { prototype: { polluted: true } } }),
  ),
  value('a then that is no function', '{"id":"a","then":"x"}', handled()),
  value('64 levels', `{"id":"a","deep":${'['.repeat(63)}${']'.repeat(63)}}`, handled()),
  value('900 kB', `{"id":"${'x'.repeat(900_000)}"}`, handled()),
  { name: 'a tombstone', record: record(null), expected: { kind: 'skipped' } },
]

/** Keys are bytes: whatever they are, they are nobody's business but the lane's. */
const keys: readonly RecordEntry[] = [
  { name: 'no key', record: record(GOOD, [], null), expected: handled() },
  { name: 'an empty key', record: record(GOOD, [], utf8('')), expected: handled() },
  { name: 'a key that is no UTF-8', record: record('no', [], hex('ff 00 fe')), expected: parked('decode-failed') },
  { name: 'the key __proto__', record: record(GOOD, [], utf8('__proto__')), expected: handled() },
  {
    name: 'a key of line breaks and escapes',
    record: record('no', [], utf8('a\r\n\u001b[2J\u2028')),
    expected: parked('decode-failed'),
  },
  { name: 'a key of 100 kB', record: record('no', [], Buffer.alloc(100_000, 0x6b)), expected: parked('decode-failed') },
]

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i)
const HOSTILE_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'length', '0']
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'

/** Headers: names are data, and what claims to be a trace is only believed when it is well-formed. */
const strangeHeaders: readonly RecordEntry[] = [
  headers(
    'names that a plain object would swallow',
    HOSTILE_NAMES.map((name) => header(name, '{"polluted":true}')),
  ),
  headers('a name three times, null and empty', [
    header('a', '1'),
    header('a', null),
    header('a', ''),
    header('b', null),
  ]),
  headers('an empty name', [header('', 'nobody'), header('', '')]),
  headers('every byte in a value', [header('bytes', EVERY_BYTE)]),
  headers('line breaks, escapes and U+2028 in a name and a value', [header('a\r\nb: c', '\u001b[31m\r\n\u2028')]),
  headers(
    '10,000 headers',
    Array.from({ length: 10_000 }, (_, i) => header(`h${i % 100}`, String(i))),
  ),
  headers('a header of 900 kB', [header('huge', Buffer.alloc(900_000, 0x61))]),
  headers('a name of 30 kB', [header('n'.repeat(30_000), '1')]),
  headers(
    // Kafka's protocol says that names are UTF-8; Java's client reads them so too. The value and all others stay as they are.
    'a name that is no UTF-8, whose wrong bytes become U+FFFD',
    [header('before', '1'), [hex('61 ff 62'), utf8('kept')], header('after', '2')],
    [header('before', '1'), header('a\ufffdb', 'kept'), header('after', '2')],
  ),
  headers('a traceparent of nonsense', [header('traceparent', 'nonsense')]),
  headers('a traceparent of zeros', [header('traceparent', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`)]),
  headers('a traceparent with a line break', [header('traceparent', `00-${TRACE_ID}-b7ad6b7169203331-01\r\nx: y`)]),
  headers('a traceparent that is null', [header('traceparent', null)]),
  headers('a traceparent that is no UTF-8', [header('traceparent', hex('ff fe'))]),
  headers('two traceparents', [header('traceparent', 'a'), header('traceparent', 'b')]),
  headers('a tracestate of 10 kB', [
    header('traceparent', `00-${TRACE_ID}-b7ad6b7169203331-01`),
    header('tracestate', `a=${'b'.repeat(10_000)}`),
  ]),
  headers('a baggage of 100 kB', [header('baggage', `user=${'b'.repeat(100_000)}`)]),
  headers('a baggage of 5,000 members', [
    header('baggage', Array.from({ length: 5_000 }, (_, i) => `k${i}=v`).join(',')),
  ]),
  headers('a content type that lies', [header('content-type', 'application/x-java-serialized-object')]),
  headers('an id that is empty', [header('holdfast-id', '')]),
  headers('an id that is null', [header('holdfast-id', null)]),
  headers('an id that is no UTF-8', [header('holdfast-id', hex('ff'))]),
  headers('an id of 100 kB', [header('holdfast-id', 'i'.repeat(100_000))]),
  headers('an id with line breaks', [header('holdfast-id', 'a\r\nb')]),
  headers('a source of 100 kB', [header('holdfast-source', 's'.repeat(100_000))]),
  headers('a time that is none', [header('holdfast-time', '12:00')]),
  headers('a time of 30 digits', [header('holdfast-time', '9'.repeat(30))]),
  headers('a time after the last that a Date can tell', [header('holdfast-time', '9007199254740991')]),
]

/** The same headers on records that are parked: they are written once more, and must come out as they went in. */
const strangeHeadersParked = strangeHeaders.map(({ name, record: { headers: given }, headersAfter }) => ({
  name: `${name}, parked`,
  record: record('no JSON', given),
  expected: parked('decode-failed'),
  ...(headersAfter === undefined ? {} : { headersAfter }),
}))

/** Everything that a foreign client can put on the log. */
export const recordEntries: readonly RecordEntry[] = [...values, ...keys, ...strangeHeaders, ...strangeHeadersParked]

/** Numbers that are none, or too much: what a forger writes where an attempt or an offset is expected. */
export const FORGED_NUMBERS: readonly string[] = [
  '-1',
  '0',
  '1000000000',
  '3abc',
  '',
  '1e9',
  '0x10',
  ' 1',
  '+1',
  '1.0',
  '9'.repeat(30),
  '١',
]

import { describe, expect, test } from 'vitest'
import type { CodecError } from '../../src/topic/index.ts'
import { json } from '../../src/topic/index.ts'

const codec = json()
const text = (value: unknown): string => Buffer.from(codec.encode(value)).toString()

function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    const { name, path, message } = error as CodecError
    expect(name).toBe('CodecError')
    return [path.map(String).join('.'), message].filter((part) => part !== '').join(' ')
  }
  throw new Error('was not refused')
}
const refused = (value: unknown): string => refusal(() => codec.encode(value))
const undecodable = (bytes: Uint8Array | string): string =>
  refusal(() => codec.decode(typeof bytes === 'string' ? Buffer.from(bytes) : bytes))
const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`)

describe('what is sent', () => {
  test('is what JSON.stringify writes, where that is exact', () => {
    const value = {
      a: [1, -0.5, true, null, 'é"\u2028'],
      at: new Date(0),
      empty: {},
      none: [],
      own: { toJSON: () => 'mine' },
    }
    expect(text(value)).toBe(JSON.stringify(value))
    expect(text('text')).toBe('"text"')
    expect(text(null)).toBe('null')
    expect(text({ ['__proto__']: 1 })).toBe('{"__proto__":1}')
  })

  test('leaves out fields that are undefined, functions or symbols, as JSON does', () => {
    expect(text({ a: undefined, b: () => 1, c: Symbol('c'), d: null })).toBe('{"d":null}')
  })

  test('escapes lone surrogates, so that the bytes are UTF-8', () => {
    expect(text('\ud800')).toBe('"\\ud800"')
  })

  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'is undefined, which JSON does not have'],
    ['a function', () => 1, 'is a function, which JSON does not have'],
    ['a BigInt', { a: { b: 5n } }, 'a.b is a BigInt, which JSON does not have'],
    ['NaN', { a: [1, NaN] }, 'a.1 is NaN or an infinity, which JSON does not have'],
    ['an infinity', { a: -Infinity }, 'a is NaN or an infinity, which JSON does not have'],
    ['undefined in an array', { a: [undefined] }, 'a.0 is undefined, which JSON does not have'],
    ['a hole in an array', { a: Array(2) }, 'a.0 is undefined, which JSON does not have'],
    ['an invalid date', { at: new Date(NaN) }, 'at is an invalid date'],
    ['a Map', { a: new Map([['x', 1]]) }, 'a is a Map, whose contents JSON.stringify would lose'],
    ['a Set', { a: new Set([1]) }, 'a is a Set, whose contents JSON.stringify would lose'],
    ['an Error', { a: new Error('secret') }, 'a is a Error, whose contents JSON.stringify would lose'],
    ['a promise', { a: Promise.resolve(1) }, 'a is a Promise, whose contents JSON.stringify would lose'],
    [
      'binary data',
      { a: new Uint8Array([1, 2]) },
      'a is binary data; the bytes codec sends that, or encode it as text',
    ],
    [
      'a Buffer, whose toJSON would write its bytes as numbers',
      { a: [Buffer.from('x')] },
      'a.0 is binary data; the bytes codec sends that, or encode it as text',
    ],
    ['a boxed NaN', { a: Object(NaN) }, 'a is NaN or an infinity, which JSON does not have'],
  ])('refuses %s with its place, instead of sending something else', (_, value, message) => {
    expect(refused(value)).toBe(message)
  })

  test('refuses a cycle, and names where it closes', () => {
    const order: Record<string, unknown> = { id: 'secret' }
    order['self'] = { order }
    expect(refused(order)).toBe('self.order is part of a cycle')
  })

  test('names what throws while it is read, and never what it says', () => {
    const getter = Object.defineProperty({}, 'card', {
      enumerable: true,
      get: () => {
        throw new TypeError('4111-1111')
      },
    })
    expect(refused({ getter })).toMatch(/^getter\.card cannot be read: TypeError at json-codec\.test\.ts:\d+:\d+$/)
    const toJSON = (): never => {
      throw new RangeError('4111-1111')
    }
    expect(refused({ a: { toJSON } })).toMatch(/^a its toJSON throws RangeError at json-codec\.test\.ts:\d+:\d+$/)
  })

  test('is nested at most 64 levels, and a value of 100,000 is refused like one of 65', () => {
    expect(text(nested(64))).toBe(`${'['.repeat(64)}${']'.repeat(64)}`)
    expect(refused(nested(65))).toMatch(/is nested deeper than 64 levels$/)
    expect(refused(nested(100_000))).toMatch(/is nested deeper than 64 levels$/)
    expect(refused({ a: 'x'.repeat(200), b: nested(64) })).toMatch(/^b\..*is nested deeper than 64 levels$/)
  })

  test('an honest null, {} or numbered field is sent, although it looks like a loss', () => {
    expect(text({ a: null, b: {}, c: { '0': 'x' }, d: 'null' })).toBe('{"a":null,"b":{},"c":{"0":"x"},"d":"null"}')
    expect(text({ type: 'Buffer', data: [1] })).toBe('{"type":"Buffer","data":[1]}')
    expect(text({ a: Object(5), b: null })).toBe('{"a":5,"b":null}')
  })

  test('binary data with a toJSON of its own is what that says', () => {
    class Base64 extends Uint8Array {
      toJSON(): string {
        return Buffer.from(this).toString('base64')
      }
    }
    expect(text({ a: new Base64([1]), b: null })).toBe('{"a":"AQ==","b":null}')
  })

  test('a Map or an Error with fields of its own passes as those fields: only a look at every value could find it', () => {
    expect(text(Object.assign(new Error('lost'), { code: 'EIO' }))).toBe('{"code":"EIO"}')
    expect(text({ a: Object.assign(new Map([[1, 2]]), { z: 1 }) })).toBe('{"a":{"z":1}}')
  })
})

describe('what arrives', () => {
  test('is parsed as it stands, with __proto__ as data', () => {
    const value = codec.decode(Buffer.from('{"__proto__":{"polluted":true},"a":[1,"é"]}')) as object
    expect(Object.keys(value)).toEqual(['__proto__', 'a'])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test.each<[string, Uint8Array | string, string]>([
    ['nothing', '', 'is empty, which is not JSON'],
    [
      'a byte order mark',
      Buffer.from('\uFEFF{}'),
      'begins with a byte order mark, which JSON between systems must not have (RFC 8259, section 8.1)',
    ],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'is not UTF-8'],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0x80, 0x22]), 'is not UTF-8'],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'is not UTF-8'],
    ['a cut text', '{"card":"4111-1111', 'is not JSON, from character 18 on'],
    ['two values', '{} {}', 'is not JSON, from character 3 on'],
    ['a bare word', 'secret', 'is not JSON'],
  ])('refuses %s, and never quotes it', (_, bytes, message) => {
    expect(undecodable(bytes)).toBe(message)
  })

  test('is nested at most 64 levels, brackets in strings not counted', () => {
    expect(codec.decode(Buffer.from(JSON.stringify(nested(64))))).toEqual(nested(64))
    expect(undecodable(JSON.stringify(nested(65)))).toBe('is nested deeper than 64 levels')
    expect(undecodable('['.repeat(100_000))).toBe('is nested deeper than 64 levels')
    expect(undecodable('{"a":'.repeat(100_000))).toBe('is nested deeper than 64 levels')
    const brackets = { a: '['.repeat(500), b: `\\"${'{'.repeat(500)}` }
    expect(codec.decode(Buffer.from(JSON.stringify(brackets)))).toEqual(brackets)
    expect(codec.decode(Buffer.from(JSON.stringify(Array(500).fill([]))))).toHaveLength(500)
  })

  test('a limit of one’s own counts both ways, and one that is none is refused', () => {
    const flat = json({ maxDepth: 1 })
    expect(flat.decode(flat.encode([1]))).toEqual([1])
    expect(refusal(() => flat.encode([[1]]))).toBe('0 is nested deeper than 1 levels')
    expect(refusal(() => flat.decode(Buffer.from('[[1]]')))).toBe('is nested deeper than 1 levels')
    for (const maxDepth of [0, -1, 1.5, NaN, 1_001]) {
      expect(() => json({ maxDepth })).toThrow(expect.objectContaining({ code: 'HOLDFAST_CONFIG_INVALID' }))
    }
  })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Headers } from '../../../src/record/index.ts'
import { decodeHeaders, encodeHeaders, HeaderNames } from '../../../src/outbox/postgres/header-bytes.ts'

const plain = (headers: Headers): unknown =>
  headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value).toString('hex')])

test('headers come back as they went: in order, repeated names, null apart from empty', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 200 })
  const value = fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 300 }))
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (headers) => {
      expect(plain(decodeHeaders(encodeHeaders(headers)))).toEqual(plain(headers))
    }),
  )
})

test('values of the lengths at which another byte is needed come back', () => {
  for (const length of [0, 1, 126, 127, 128, 16_382, 16_383, 16_384, 2_097_151, 2_097_152, 5_000_000]) {
    const headers: Headers = [
      ['before', null],
      ['x'.repeat(Math.min(length, 20_000)), Buffer.alloc(length, 7)],
      ['after', Buffer.alloc(0)],
    ]
    const back = decodeHeaders(encodeHeaders(headers))
    expect(back.map(([each, bytes]) => [each.length, bytes?.length])).toEqual([
      [6, undefined],
      [Math.min(length, 20_000), length],
      [5, 0],
    ])
    expect(Buffer.compare(back[1]![1]!, headers[1]![1]!)).toBe(0)
  }
})

test('the bytes of a version stay as they are, since rows in flight outlive a deploy', () => {
  const headers: Headers = [
    ['id', Buffer.from('a')],
    ['ü', null],
    ['', Buffer.alloc(0)],
  ]
  expect(encodeHeaders(headers).toString('hex')).toBe('01' + '026964' + '0261' + '02c3bc' + '00' + '00' + '01')
  expect(encodeHeaders([]).toString('hex')).toBe('01')
})

test('what was cut, or written in another way, is refused and never read as other headers', () => {
  const whole = encodeHeaders([
    ['name', Buffer.from('value')],
    ['other', null],
  ])
  const ends = [1, 12, whole.length] // none, after the first header, all
  for (let length = 0; length <= whole.length; length++) {
    const cut = (): Headers => decodeHeaders(whole.subarray(0, length))
    if (ends.includes(length)) expect(cut()).toHaveLength(ends.indexOf(length))
    else expect(cut, `cut to ${length}`).toThrow(expect.objectContaining({ code: 'HOLDFAST_STORE_UNAVAILABLE' }))
  }
  expect(() => decodeHeaders(Buffer.from([2, ...whole.subarray(1)]))).toThrow('headers of a row')
  expect(() => decodeHeaders(Buffer.from([1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))).toThrow('headers of a row')
})

test('names that are remembered from one row are those of the next only where its bytes are the same', () => {
  const names = new HeaderNames()
  const rows: Headers[] = [
    [['one', Buffer.from('1')]],
    [['two', null]],
    [
      ['one', Buffer.from('2')],
      ['é', Buffer.from('3')],
    ],
    [
      ['on', Buffer.from('4')],
      ['two', Buffer.from('')],
    ],
    [],
    [
      ['one', Buffer.from('5')],
      ['é', Buffer.from('6')],
    ],
  ]
  const many: Headers = Array.from({ length: 50 }, (_, i) => [`h${i}`, Buffer.from([i])])
  for (const headers of [...rows, many, ...rows, many])
    expect(plain(decodeHeaders(encodeHeaders(headers), names))).toEqual(plain(headers))
})

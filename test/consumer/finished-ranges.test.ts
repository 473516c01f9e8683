import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFinishedRanges, encodeFinishedRanges } from '../../src/consumer/finished-ranges.ts'
import type { FinishedRange } from '../../src/consumer/offset-tracker.ts'

const some: readonly FinishedRange[] = [
  { first: 101n, last: 101n },
  { first: 103n, last: 300n },
]

/** Gap to the end before it, and length, of each range. */
const lists = fc.array(fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 40n }), fc.bigInt({ min: 0n, max: 2n ** 40n })), {
  maxLength: 60,
})

function ranges(base: bigint, shape: readonly (readonly [bigint, bigint])[]): readonly FinishedRange[] {
  let next = base
  return shape.map(([gap, length]) => {
    const first = next + gap
    next = first + length + 1n
    return { first, last: first + length }
  })
}

test('what is written is what is read, and its form stays as it is: other members of the group run other versions', () => {
  const text = encodeFinishedRanges(100n, some)
  expect(text).toBe('hf1:34-89WQBAAHFAQ')
  expect(decodeFinishedRanges(100n, text)).toEqual(some)
})

test('nothing finished is no text at all, as other clients commit', () => {
  expect(encodeFinishedRanges(100n, [])).toBe('')
  expect(decodeFinishedRanges(100n, '')).toEqual([])
})

test('text that belongs to another offset means nothing: a mirrored group has translated offsets and the text as it was', () => {
  const text = encodeFinishedRanges(100n, some)
  expect(decodeFinishedRanges(99n, text)).toEqual([])
  expect(decodeFinishedRanges(101n, text)).toEqual([])
})

test.each([
  ['of another client', 'leader-7'],
  ['of a later version', 'hf2:34-89WQBAAHFAQ'],
  ['without a body', 'hf1:'],
  ['padded', 'hf1:34-89WQBAAHFAQ=='],
  ['with a stray character', 'hf1:1GJgZGQB AAHFAQ'],
  ['in the other alphabet', 'hf1:+/+/+/+/'],
  ['longer than anybody writes', `hf1:${'A'.repeat(1_000_000)}`],
])('text %s means nothing', (_, text) => {
  expect(decodeFinishedRanges(100n, text)).toEqual([])
})

test('ranges come back whole, up to the highest offsets there are', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 62n }), lists, (base, shape) => {
      const all = ranges(base, shape)
      expect(decodeFinishedRanges(base, encodeFinishedRanges(base, all))).toEqual(all)
    }),
  )
})

test('what does not fit is left out from the highest down, and the lowest that fit are all there', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 62n }), lists, fc.nat({ max: 200 }), (base, shape, maxBytes) => {
      const all = ranges(base, shape)
      const text = encodeFinishedRanges(base, all, maxBytes)
      const kept = decodeFinishedRanges(base, text)
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes)
      expect(kept).toEqual(all.slice(0, kept.length))
      const oneMore = encodeFinishedRanges(base, all.slice(0, kept.length + 1), 100_000)
      if (kept.length < all.length) expect(Buffer.byteLength(oneMore)).toBeGreaterThan(maxBytes)
    }),
  )
})

test('ranges beyond the highest offset there is mean nothing', () => {
  const base = 2n ** 63n - 3n
  const upTo = (last: bigint): string => encodeFinishedRanges(base, [{ first: base + 1n, last }])
  expect(decodeFinishedRanges(base, upTo(base + 1n))).toHaveLength(1)
  expect(decodeFinishedRanges(base, upTo(base + 2n))).toEqual([]) // the offset after it would not be one
  expect(decodeFinishedRanges(base, upTo(2n ** 100n))).toEqual([])
})

test('without a bound it stays within what a broker takes, and reads no more than fits of a partition with millions of ranges', () => {
  let read = 0
  function* endless(): Generator<FinishedRange> {
    for (let first = 1n; ; first += 2n, read++) yield { first, last: first }
  }
  const text = encodeFinishedRanges(0n, endless())
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4_096)
  expect(decodeFinishedRanges(0n, text).length).toBeGreaterThan(1_500)
  expect(read).toBeLessThan(1_600)
})

test('ranges that are out of order are left out with all that follows: what is written is true all the same', () => {
  const text = encodeFinishedRanges(100n, [some[1]!, some[0]!])
  expect(decodeFinishedRanges(100n, text)).toEqual([some[1]])
  expect(encodeFinishedRanges(102n, some)).toBe('')
})

test('cut or changed in one place it means nothing: a wrong range would skip records that nobody handled', () => {
  fc.assert(
    fc.property(lists, fc.nat(), fc.constantFrom('A', 'z', '_', '7', '', '!', 'é'), (shape, at, other) => {
      const text = encodeFinishedRanges(100n, ranges(100n, shape))
      fc.pre(text !== '')
      const where = at % text.length
      const changed = text.slice(0, where) + other + text.slice(where + 1)
      fc.pre(changed !== text)
      expect(decodeFinishedRanges(100n, changed)).toEqual([])
      expect(decodeFinishedRanges(100n, text.slice(0, where))).toEqual([])
    }),
  )
})

test('it never throws, whatever text another client has left', () => {
  const body = fc.uint8Array({ maxLength: 60 }).map((bytes) => `hf1:${Buffer.from(bytes).toString('base64url')}`)
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), body), (text) => {
      expect(decodeFinishedRanges(0n, text)).toEqual([])
    }),
  )
})

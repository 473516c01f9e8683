import { expect, test } from 'vitest'
import type { Headers } from '../../src/record/index.ts'
import { formatPosition, headerText, textHeader, withoutHeaders } from '../../src/record/index.ts'

const headers: Headers = [
  textHeader('a', '1'),
  ['__proto__', Buffer.from('data')],
  ['broken', Buffer.from([0xff, 0xfe])],
  ['none', null],
  ['empty', Buffer.alloc(0)],
  textHeader('a', '2'),
]

test('of a repeated name the last value counts', () => {
  expect(headerText(headers, 'a')).toBe('2')
})

test('names such as __proto__ are data', () => {
  expect(headerText(headers, '__proto__')).toBe('data')
  expect(headerText([], '__proto__')).toBeUndefined()
  expect(headerText([], 'constructor')).toBeUndefined()
})

test('null and what is not UTF-8 have no text; the empty value has', () => {
  expect(headerText(headers, 'none')).toBeUndefined()
  expect(headerText(headers, 'broken')).toBeUndefined()
  expect(headerText(headers, 'empty')).toBe('')
})

test('dropping headers keeps the order of the others', () => {
  expect(withoutHeaders(headers, (name) => name === 'a').map(([name]) => name)).toEqual([
    '__proto__',
    'broken',
    'none',
    'empty',
  ])
})

test('positions read topic[partition]@offset, exact beyond 2^53', () => {
  expect(formatPosition({ topic: 'orders', partition: 3, offset: 9_007_199_254_740_993n })).toBe(
    'orders[3]@9007199254740993',
  )
})

import type { IHeaders } from 'kafkajs'
import { expect, test } from 'vitest'
import { fromKafkajsHeaders } from '../../../src/driver/kafkajs/inbound-headers.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

/** Decodes a header list as kafkajs 2.2.4 does (`protocol/recordBatch/record/v0/decoder.js`). */
function asKafkajs(list: readonly (readonly [string, Buffer | null])[]): IHeaders {
  type Decoded = Record<string, unknown>
  return list.reduce<Decoded>((object, [key, value]) => {
    const before = object[key]
    const next = before === undefined ? value : Array.isArray(before) ? before.concat([value]) : [before, value]
    return { ...object, [key]: next }
  }, {}) as IHeaders
}

test.each([
  'constructor',
  '__proto__',
  'toString',
  'valueOf',
  'hasOwnProperty',
  '__defineGetter__',
  '__lookupSetter__',
])('a header named %s is data: what kafkajs puts before its value is dropped', (name) => {
  expect(fromKafkajsHeaders(asKafkajs([[name, bytes('1')]]))).toEqual([[name, bytes('1')]])
  expect(fromKafkajsHeaders(asKafkajs([[name, null]]))).toEqual([[name, null]])
  expect(
    fromKafkajsHeaders(
      asKafkajs([
        [name, bytes('1')],
        [name, bytes('2')],
      ]),
    ),
  ).toEqual([
    [name, bytes('1')],
    [name, bytes('2')],
  ])
})

test('keeps the values of one name in their order, null and empty apart', () => {
  const list = [
    ['a', bytes('1')],
    ['b', null],
    ['a', bytes('')],
    ['a', null],
  ] as const
  expect(fromKafkajsHeaders(asKafkajs(list))).toEqual([
    ['a', bytes('1')],
    ['a', bytes('')],
    ['a', null],
    ['b', null],
  ])
})

test('a null value first among several is a value, not something inherited', () => {
  expect(
    fromKafkajsHeaders(
      asKafkajs([
        ['a', null],
        ['a', bytes('1')],
      ]),
    ),
  ).toEqual([
    ['a', null],
    ['a', bytes('1')],
  ])
})

test('no headers are an empty list, the same one for every record', () => {
  expect(fromKafkajsHeaders(undefined)).toEqual([])
  expect(fromKafkajsHeaders({})).toBe(fromKafkajsHeaders(undefined))
})

import { expect, test } from 'vitest'
import { fateOf } from './fates.ts'

const SHARES = { slow: 100, poison: 50 } as const

test('every process that meets a message does the same with it, so that a fate survives a takeover', () => {
  const values = Array.from({ length: 2_000 }, (_, n) => `m-${n}`)
  const fates = values.map((value) => fateOf(1, value, SHARES))
  expect(values.map((value) => fateOf(1, value, SHARES))).toEqual(fates)
  expect(values.map((value) => fateOf(2, value, SHARES))).not.toEqual(fates)
})

test('a fate has about its share of a thousand, and nothing else happens', () => {
  const drawn = Array.from({ length: 10_000 }, (_, n) => fateOf(1, `m-${n}`, SHARES))
  const count = (fate: string): number => drawn.filter((each) => each === fate).length
  expect(count('slow')).toBeGreaterThan(850)
  expect(count('slow')).toBeLessThan(1_150)
  expect(count('poison')).toBeGreaterThan(400)
  expect(count('poison')).toBeLessThan(600)
  expect(count('ok') + count('slow') + count('poison')).toBe(10_000)
})

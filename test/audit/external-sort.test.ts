import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createExternalSort } from '../../src/audit/external-sort.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { ownFolder } from './world.ts'

const ENTRY = 12
const COUNT = 200_000

function sortedBy(
  memoryBytes: number,
  numbers: readonly number[],
  folder: string,
): { readonly sorted: readonly number[]; readonly spilled: number; readonly most: number } {
  const sort = createExternalSort({ entryBytes: ENTRY, sortBytes: 8, memoryBytes, folder })
  try {
    numbers.forEach((number, i) =>
      sort.add((into, at) => {
        into.writeDoubleBE(number, at)
        into.writeUInt32BE(i, at + 8)
      }),
    )
    const sorted: number[] = []
    for (const block of sort.sorted()) {
      for (let at = 0; at < block.length; at += ENTRY) {
        const number = block.readDoubleBE(at)
        expect(numbers[block.readUInt32BE(at + 8)]).toBe(number) // an entry comes back whole
        sorted.push(number)
      }
    }
    return { sorted, spilled: sort.spilledBytes(), most: sort.mostBytes() }
  } finally {
    sort.close()
  }
}

test('whatever memory there is, all entries come back, once, in order', () => {
  const folder = ownFolder()
  fc.assert(
    fc.property(
      fc.array(fc.nat(50), { maxLength: 300 }),
      fc.constantFrom(0, 600, 1_500, 3_000, 10_000, 1_000_000),
      (numbers, memoryBytes) => {
        expect(sortedBy(memoryBytes, numbers, folder).sorted).toEqual([...numbers].toSorted((a, b) => a - b))
      },
    ),
    { numRuns: 300 },
  )
  expect(readdirSync(folder)).toEqual([])
})

test('many entries are sorted in the memory given, with many runs and several passes', () => {
  const folder = ownFolder()
  const random = seededRandom(7)
  const numbers = Array.from({ length: COUNT }, () => Math.floor(random() * 1e9))
  const memoryBytes = 128 * 2 ** 10
  const { sorted, spilled, most } = sortedBy(memoryBytes, numbers, folder)
  expect(most).toBeLessThanOrEqual(memoryBytes)
  expect(spilled).toBeGreaterThan(2 * COUNT * ENTRY) // more than one pass
  numbers.sort((a, b) => a - b)
  expect(sorted.every((number, i) => number === numbers[i])).toBe(true)
  expect(sorted).toHaveLength(numbers.length)
}, 60_000)

test('what fits into memory touches no disk', () => {
  expect(sortedBy(1_000_000, [3, 1, 2], '/nowhere/at/all')).toMatchObject({ sorted: [1, 2, 3], spilled: 0 })
})

test('its files have no name while they are used, and closing twice is fine', () => {
  const folder = ownFolder()
  const sort = createExternalSort({ entryBytes: ENTRY, sortBytes: 8, memoryBytes: 0, folder })
  for (let i = 0; i < 100; i++) sort.add((into, at) => into.fill(0, at, at + ENTRY).writeDoubleBE(100 - i, at))
  expect(sort.spilledBytes()).toBeGreaterThan(0)
  expect(readdirSync(folder)).toEqual([])
  sort.close()
  sort.close()
})

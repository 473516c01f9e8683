import { expect, test } from 'vitest'
import { slope } from '../../bench/slope.ts'

test('finds how steep a line is although its points are scattered around it', () => {
  const points = Array.from({ length: 100 }, (_, x) => ({ x, y: 5 + 3 * x + (x % 2 === 0 ? 10 : -10) }))
  expect(slope(points)).toBeCloseTo(3, 1)
})

test('is flat for samples that go up and down and end where they began', () => {
  expect(slope([1, 9, 4, 9, 1].map((y, x) => ({ x, y })))).toBe(0)
})

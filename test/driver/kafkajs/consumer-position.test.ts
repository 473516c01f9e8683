import { expect, test } from 'vitest'
import type { ReadingPosition } from '../../../src/driver/kafkajs/consumer-position.ts'
import { judgeBatch, moveTo } from '../../../src/driver/kafkajs/consumer-position.ts'

const at = (next: bigint | null): ReadingPosition => ({ next })

test('takes the batch that was asked for at the position, and goes on behind the last offset it covers', () => {
  const position = at(20n)
  expect(judgeBatch(position, 20n, 27n)).toBe('take')
  expect(position.next).toBe(28n)
})

test('sends a batch back that an older assignment asked for, whether it lies ahead or behind: both would lose or repeat', () => {
  const position = at(20n)
  expect(judgeBatch(position, 40n, 45n)).toBe('rewind')
  expect(judgeBatch(position, 0n, 19n)).toBe('rewind')
  expect(judgeBatch(position, 0n, 30n)).toBe('rewind')
  expect(position.next).toBe(20n)
})

test('sends everything back while no start position is known', () => {
  const position = at(null)
  expect(judgeBatch(position, 0n, 5n)).toBe('rewind')
  expect(position.next).toBeNull()
})

test('goes on past a batch of a single offset, such as the marker of a transaction', () => {
  const position = at(20n)
  expect(judgeBatch(position, 20n, 20n)).toBe('take')
  expect(position.next).toBe(21n)
})

test('takes the same batch only once: the second time it is one from behind', () => {
  const position = at(20n)
  expect(judgeBatch(position, 20n, 27n)).toBe('take')
  expect(judgeBatch(position, 20n, 27n)).toBe('rewind')
  expect(position.next).toBe(28n)
})

test('a seek asks a new question: what was asked for before is sent back, whichever way the seek went', () => {
  const position = at(20n)
  moveTo(position, 30n)
  expect(judgeBatch(position, 20n, 40n)).toBe('rewind')
  expect(judgeBatch(position, 30n, 40n)).toBe('take')
  moveTo(position, 5n)
  expect(judgeBatch(position, 41n, 50n)).toBe('rewind')
  expect(judgeBatch(position, 5n, 6n)).toBe('take')
  expect(position.next).toBe(7n)
})

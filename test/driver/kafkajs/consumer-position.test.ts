import { expect, test } from 'vitest'
import type { ReadingPosition } from '../../../src/driver/kafkajs/consumer-position.ts'
import { judgeBatch, judgeFiltered, moveTo } from '../../../src/driver/kafkajs/consumer-position.ts'

const at = (next: bigint | null): ReadingPosition => ({ next, doubted: null })

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
  expect(judgeFiltered(position, 0n, 5n)).toBe('rewind')
  expect(position.next).toBeNull()
})

test('goes on past a filtered batch that begins exactly at the position, such as the marker of a transaction', () => {
  const position = at(20n)
  expect(judgeFiltered(position, 20n, 20n)).toBe('take')
  expect(position.next).toBe(21n)
})

test('goes on by one where compaction left nothing at the position', () => {
  const position = at(20n)
  expect(judgeFiltered(position, null, 20n)).toBe('take')
  expect(position.next).toBe(21n)
})

test('believes a filtered batch above the position only the second time, since the first may answer an older question', () => {
  const position = at(20n)
  expect(judgeFiltered(position, 25n, 30n)).toBe('rewind')
  expect(position.next).toBe(20n)
  expect(judgeFiltered(position, 25n, 30n)).toBe('take')
  expect(position.next).toBe(31n)
  expect(judgeFiltered(position, 40n, 40n), 'every new hole is doubted anew').toBe('rewind')
})

test('believes none of two filtered batches that begin at different offsets: two brokers can each answer an older question', () => {
  const position = at(20n)
  expect(judgeFiltered(position, 40n, 40n)).toBe('rewind')
  expect(judgeFiltered(position, 60n, 61n)).toBe('rewind')
  expect(position.next, 'what stands from 20 on is still to be read').toBe(20n)
  expect(judgeFiltered(position, 20n, 20n)).toBe('take')
})

test('sends a filtered batch from below the position back, so that nothing is read twice', () => {
  const position = at(20n)
  expect(judgeFiltered(position, 10n, 12n)).toBe('rewind')
  expect(judgeFiltered(position, 10n, 25n)).toBe('rewind')
  expect(judgeFiltered(position, null, 12n)).toBe('rewind')
  expect(position.next).toBe(20n)
})

test('a seek clears a doubt, since it asks a new question', () => {
  const position = at(20n)
  judgeFiltered(position, 40n, 40n)
  moveTo(position, 30n)
  expect(judgeFiltered(position, 40n, 40n)).toBe('rewind')
  expect(position.next).toBe(30n)
})

import { expect, test } from 'vitest'
import { createSequences } from '../../../src/testing/in-memory/sequences.ts'

const from = (sequence: number, epoch = 0, producerId = 'p') => ({ producerId, epoch, sequence })

test('a batch that comes again is answered with the offset at which it stands, as long as it is one of the last five', () => {
  const sequences = createSequences()
  for (let i = 0; i < 6; i++) sequences.wrote(from(2 * i), 2, BigInt(100 + i))
  expect(sequences.judge(from(10), 2)).toEqual({ kind: 'repeat', offset: 105n })
  expect(sequences.judge(from(2), 2)).toEqual({ kind: 'repeat', offset: 101n })
  expect(sequences.judge(from(0), 2)).toEqual({ kind: 'out-of-order' })
})

test('a batch that leaves numbers out is refused, since what they stand for would be lost or come after it', () => {
  const sequences = createSequences()
  sequences.wrote(from(0), 3, 0n)
  expect(sequences.judge(from(4), 1)).toEqual({ kind: 'out-of-order' })
  expect(sequences.judge(from(1), 2)).toEqual({ kind: 'out-of-order' }) // a part of one is not a repeat of it
  expect(sequences.judge(from(3), 1)).toEqual({ kind: 'next' })
})

test('a producer that nobody knows may begin with any number, as after its records were deleted', () => {
  const sequences = createSequences()
  sequences.wrote(from(0), 3, 0n)
  expect(sequences.judge(from(7, 0, 'another'), 1)).toEqual({ kind: 'next' })
})

test('a new epoch begins at 0, and an old one writes nothing more', () => {
  const sequences = createSequences()
  sequences.wrote(from(0), 3, 0n)
  expect(sequences.judge(from(3, 1), 1)).toEqual({ kind: 'out-of-order' })
  expect(sequences.judge(from(0, 1), 1)).toEqual({ kind: 'next' })
  sequences.wrote(from(0, 1), 1, 3n)
  expect(sequences.judge(from(3, 0), 1)).toEqual({ kind: 'fenced' })
  expect(sequences.judge(from(1, 1), 1)).toEqual({ kind: 'next' })
})

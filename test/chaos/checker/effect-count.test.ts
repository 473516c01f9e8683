import { expect, test } from 'vitest'
import { buildHistory } from './history-builder.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

function handledByTwo(effects: 'exactly-once' | 'at-least-once', secondHasEffect: boolean): readonly string[] {
  const run = buildHistory({ group: { effects } })
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.handled(A, 0)
  run.lost(A, 1)
  run.assigned(B, 1)
  run.began(B, 0)
  if (secondHasEffect) run.effect(B, 0)
  run.ended(B, 0, 'ok')
  run.committed(B, 1, 1)
  return run.found()
}

test('I7: with the mark in the same transaction a repeat leaves no second effect', () => {
  expect(handledByTwo('exactly-once', true)).toEqual(['I7 effect-doubled'])
  expect(handledByTwo('exactly-once', false)).toEqual([])
})

test('I7 allows a repeat across a rebalance where only at least once was promised', () => {
  expect(handledByTwo('at-least-once', true)).toEqual([])
})

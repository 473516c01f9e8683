import { expect, test } from 'vitest'
import { buildHistory, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'

/** Offset 2 is a marker. All is handled and committed, so that only the order of deliveries can be wrong. */
function delivering(start: number, body: (run: HistoryBuilder) => void): readonly string[] {
  const run = buildHistory({ group: { mayReset: true } })
  for (const offset of [0, 1, 3]) run.sent(`m-${offset}`, offset, { key: `k-${offset}` })
  run.assigned(A, 1, start)
  body(run)
  for (const offset of [0, 1, 3]) run.handled(A, offset)
  run.committed(A, 4, 1)
  return run.found()
}

test('I15: within an epoch every visible record is delivered in its turn', () => {
  expect(delivering(0, (run) => [0, 1, 3].forEach((offset) => run.delivered(A, offset)))).toEqual([])
  expect(delivering(0, (run) => [0, 3].forEach((offset) => run.delivered(A, offset)))).toEqual(['I15 jumped-over'])
})

test('I15: the first delivery is the first record from the start of the epoch on', () => {
  expect(delivering(1, (run) => run.delivered(A, 1))).toEqual([])
  expect(delivering(0, (run) => run.delivered(A, 1))).toEqual(['I15 jumped-over'])
})

test('I15 is kept by what is read again after a fault, and by the next epoch, which begins where it was committed', () => {
  const again = delivering(0, (run) => [0, 1, 0, 1, 3].forEach((offset) => run.delivered(A, offset)))
  expect(again).toEqual([])
  expect(delivering(0, (run) => [0, 1, 0, 3].forEach((offset) => run.delivered(A, offset)))).toEqual([])

  const epochs = delivering(0, (run) => {
    run.delivered(A, 0)
    run.revoked(A, 1)
    run.assigned(A, 1, 3)
    run.delivered(A, 3)
  })
  expect(epochs).toEqual([])
})

test('I15 is kept by a reset, which says where it goes on', () => {
  const found = delivering(0, (run) => {
    run.delivered(A, 0)
    run.reset(A, 1, 3)
    run.delivered(A, 3)
  })
  expect(found).toEqual([])
})

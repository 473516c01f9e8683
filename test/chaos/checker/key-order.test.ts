import { expect, test } from 'vitest'
import { buildHistory, type HistoryBuilder } from './history-builder.ts'
import type { GroupExpectation } from './index.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

function keysAt(keys: readonly (string | null)[], group: Partial<GroupExpectation> = {}): HistoryBuilder {
  const run = buildHistory({ group })
  keys.forEach((key, offset) => run.sent(`m-${offset}`, offset, { key }))
  run.assigned(A, 1)
  return run
}

test('I6: first effects of a key ascend', () => {
  const run = keysAt(['k', 'k'])
  run.handled(A, 1)
  run.handled(A, 0)
  run.committed(A, 2, 1)
  expect(run.found()).toEqual(['I6 effects-reordered'])
})

test('I6 is kept among different keys, and for every key where order was given up', () => {
  const keys = keysAt(['k', 'l'])
  keys.handled(A, 1)
  keys.handled(A, 0)
  keys.committed(A, 2, 1)
  expect(keys.found()).toEqual([])

  const none = keysAt(['k', 'k'], { ordering: 'none' })
  none.handled(A, 1)
  none.handled(A, 0)
  none.committed(A, 2, 1)
  expect(none.found()).toEqual([])
})

test('I6: all of a partition is one lane where that was asked for, and records without a key are one always', () => {
  const partition = keysAt(['k', 'l'], { ordering: 'partition' })
  partition.handled(A, 1)
  partition.handled(A, 0)
  partition.committed(A, 2, 1)
  expect(partition.found()).toEqual(['I6 effects-reordered'])

  const keyless = keysAt([null, null])
  keyless.handled(A, 1)
  keyless.handled(A, 0)
  keyless.committed(A, 2, 1)
  expect(keyless.found()).toEqual(['I6 effects-reordered'])
})

test('I6 is kept by a repeat after a crash: only the first effect of a value counts', () => {
  const run = keysAt(['k', 'k'])
  run.handled(A, 0)
  run.handled(A, 1)
  run.revoked(A, 1)
  run.assigned(B, 1)
  run.handled(B, 0)
  run.handled(B, 1)
  run.committed(B, 2, 1)
  expect(run.found()).toEqual([])
})

test('I6: no two calls of a key run in one process at once, across epochs neither', () => {
  const run = keysAt(['k', 'k'])
  run.began(A, 0)
  run.revoked(A, 1)
  run.assigned(A, 2)
  run.began(A, 1, { epoch: 2 })
  run.effect(A, 0)
  run.ended(A, 0, 'ok')
  run.effect(A, 1)
  run.ended(A, 1, 'ok', { epoch: 2 })
  run.committed(A, 2, 2)
  expect(run.found()).toEqual(['I6 calls-overlap'])
})

test('I6 is kept when a zombie runs beside the owner, and when a batch holds a key twice', () => {
  const zombie = keysAt(['k', 'k'])
  zombie.began(A, 0)
  zombie.assigned(B, 1)
  zombie.handled(B, 0)
  zombie.began(B, 1)
  zombie.ended(A, 0, 'failed')
  zombie.effect(B, 1)
  zombie.ended(B, 1, 'ok')
  zombie.committed(B, 2, 1)
  expect(zombie.found()).toEqual([])

  const batch = keysAt(['k', 'k'], { handlesBatches: true })
  batch.began(A, 0)
  batch.began(A, 1)
  for (const offset of [0, 1]) batch.effect(A, offset)
  for (const offset of [0, 1]) batch.ended(A, offset, 'ok')
  batch.committed(A, 2, 1)
  expect(batch.found()).toEqual([])
})

test('I6: what one process sends with a key stands in the order of the calls', () => {
  const run = (second: string): readonly string[] => {
    const history = keysAt([])
    history.invoked('m-0', { key: 'k' })
    history.sent('m-1', 0, { key: 'k', proc: second })
    history.onLog('m-0', 1)
    history.by('producer-1#1', { f: 'produce-ok', value: 'm-0', topic: 'orders', partition: 0, offset: 1n })
    history.handled(A, 0)
    history.handled(A, 1)
    history.committed(A, 2, 1)
    return history.found()
  }
  expect(run('producer-1#1')).toEqual(['I6 sends-reordered'])
  expect(run('producer-2#1')).toEqual([])
})

import { expect, test } from 'vitest'
import { buildHistory, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'

function handleBoth(run: HistoryBuilder): readonly string[] {
  run.assigned(A, 1)
  run.handled(A, 0)
  run.handled(A, 1)
  run.committed(A, 2, 1)
  return run.found()
}

test('I10: an idempotent producer writes a value once, in doubt too', () => {
  const run = buildHistory()
  run.invoked('m-0')
  run.onLog('m-0', 0)
  run.onLog('m-0', 1)
  run.by('producer-1#1', { f: 'produce-info', value: 'm-0', code: 'HOLDFAST_INDETERMINATE' })
  expect(handleBoth(run)).toEqual(['I10 written-twice'])
})

test('I10 is kept when a scenario sends a value twice on purpose', () => {
  const run = buildHistory()
  run.sent('m-0', 0)
  run.sent('m-0', 1)
  expect(handleBoth(run)).toEqual([])
})

test('I10: a value stands where it was acknowledged', () => {
  const run = buildHistory()
  run.invoked('m-0')
  run.invoked('m-1')
  run.onLog('m-0', 0)
  run.onLog('m-1', 1)
  for (const value of ['m-0', 'm-1']) {
    run.by('producer-1#1', { f: 'produce-ok', value, topic: 'orders', partition: 0, offset: 1n })
  }
  expect(handleBoth(run)).toEqual(['I10 written-elsewhere'])
})

test('I10 is kept when retention has deleted what was acknowledged and handled: it is not there twice, and was not lost', () => {
  const run = buildHistory()
  run.sent('m-0', 0)
  run.sent('m-1', 1)
  run.deleted(0)
  expect(handleBoth(run)).toEqual([])
})

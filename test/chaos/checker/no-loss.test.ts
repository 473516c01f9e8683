import { expect, test } from 'vitest'
import { buildHistory, PARTITION } from './history-builder.ts'

const A = 'consumer-1#1'

test('I1: an acknowledged record that nobody handled is lost, although everything was committed', () => {
  const run = buildHistory()
  run.sent('m-1', 0)
  run.sent('m-2', 1)
  run.assigned(A, 1)
  run.handled(A, 0)
  run.committed(A, 2, 1)
  expect(run.found()).toEqual(['I1 lost', 'I3 commit-past-unfinished'])
  expect(run.check().anomalies[0]!.examples[0]!.text).toContain('m-2 (orders[0]@1) is on the log')
})

test('I1: an acknowledged value that no reader finds is told apart: the broker lost it', () => {
  const run = buildHistory()
  run.invoked('m-1')
  run.by('producer-1#1', { f: 'produce-ok', value: 'm-1', topic: 'orders', partition: 0, offset: 0n })
  expect(run.found()).toEqual(['I1 acknowledged-not-on-log'])
})

test('I1: a handler that says ok has handled nothing when the database has no row', () => {
  const run = buildHistory()
  run.sent('m-1', 0)
  run.assigned(A, 1)
  run.began(A, 0)
  run.ended(A, 0, 'ok')
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I1 lost', 'I3 commit-past-unfinished'])
})

test('I1 is kept by an effect, by a dead letter, and by a skip that a rule declared', () => {
  const run = buildHistory()
  for (const offset of [0, 1, 2]) run.sent(`m-${offset}`, offset, { key: `k-${offset}` })
  run.assigned(A, 1)
  run.handled(A, 0)
  run.parked(A, 1)
  run.began(A, 2)
  run.ended(A, 2, 'skipped')
  run.committed(A, 3, 1)
  expect(run.found()).toEqual([])
})

test('I1 is kept when a send in doubt was never written, and broken when it was written and nobody handled it', () => {
  const doubtful = { f: 'produce-info', value: 'm-1', code: 'HOLDFAST_INDETERMINATE' } as const
  const absent = buildHistory()
  absent.invoked('m-1')
  absent.by('producer-1#1', doubtful)
  expect(absent.found()).toEqual([])

  const present = buildHistory()
  present.invoked('m-1')
  present.onLog('m-1', 0)
  present.by('producer-1#1', doubtful)
  expect(present.found()).toEqual(['I1 lost', 'I12 lag-left'])
})

test('I1 is kept for what a reset jumps over, where the scenario allows one', () => {
  const run = (mayReset: boolean): readonly string[] => {
    const history = buildHistory({ group: { mayReset } })
    history.sent('m-1', 0)
    history.sent('m-2', 1)
    history.assigned(A, 1)
    history.reset(A, 0, 1)
    history.handled(A, 1)
    history.committed(A, 2, 1)
    return history.found()
  }
  expect(run(true)).toEqual([])
  expect(run(false)).toEqual(['I1 lost', 'I3 commit-past-unfinished', 'I4 unexpected-reset'])
})

test('I1 is kept for a parked record that retention has deleted since: its dead letter is there', () => {
  const run = buildHistory()
  run.sent('m-1', 0)
  run.assigned(A, 1)
  run.parked(A, 0)
  run.committed(A, 1, 1)
  run.deleted(0)
  expect(run.found()).toEqual([])
})

test('I1 asks only for what stands above the first position of a group that begins later', () => {
  const run = buildHistory({ group: { startsAt: 'later' } })
  run.sent('m-1', 0)
  run.sent('m-2', 1)
  run.assigned(A, 1, 1)
  run.committed(A, 1, 1)
  run.handled(A, 1)
  run.committed(A, 2, 1)
  expect(run.found()).toEqual([])
})

test('I1 believes the journal where handlers write no rows', () => {
  const run = buildHistory({ group: { effects: 'none' } })
  run.sent('m-1', 0)
  run.assigned(A, 1)
  run.began(A, 0)
  run.by(A, { f: 'handler-end', ...PARTITION, offset: 0n, key: 'k', value: 'm-1', attempt: 1, result: 'ok' })
  run.committed(A, 1, 1)
  expect(run.found()).toEqual([])
})

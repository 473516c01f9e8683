import { expect, test } from 'vitest'
import { checkHistory } from './index.ts'
import { buildHistory, GROUP, PARTITION, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

function twoHandled(mayReset = false): HistoryBuilder {
  const run = buildHistory({ group: { mayReset } })
  run.sent('m-0', 0)
  run.sent('m-1', 1)
  run.assigned(A, 1)
  run.handled(A, 0)
  run.handled(A, 1)
  return run
}

test('I4: an acknowledged commit is never below one that was acknowledged before it began', () => {
  const run = twoHandled()
  run.committed(A, 2, 1)
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I4 commit-went-back'])
})

test('I4 is kept when the lower one was refused, and when both were under way at once', () => {
  const refused = twoHandled()
  refused.committed(A, 2, 1)
  refused.committing(A, 1, 1)
  refused.commitEnded(A, 1, 1, 'fail')
  expect(refused.found()).toEqual([])

  const together = twoHandled()
  together.committing(A, 1, 1)
  together.committing(A, 2, 1)
  together.commitEnded(A, 2, 1, 'ok')
  together.commitEnded(A, 1, 1, 'ok') // the answer was late: a process that is stopped writes it down when it wakes
  expect(together.found()).toEqual([])
})

test('I4 holds over processes', () => {
  const run = twoHandled()
  run.committed(A, 2, 1)
  run.revoked(A, 1)
  run.assigned(B, 1, 2)
  run.committed(B, 1, 1)
  expect(run.found()).toEqual(['I4 commit-went-back'])
})

test('I4: a reset goes back, where the scenario allows one', () => {
  const run = (mayReset: boolean): readonly string[] => {
    const history = twoHandled(mayReset)
    history.committed(A, 2, 1)
    history.reset(A, 2, 0)
    history.committed(A, 0, 1)
    return history.found()
  }
  expect(run(true)).toEqual([])
  expect(run(false)).toEqual(['I4 unexpected-reset'])
})

test('I4: what the broker itself has stored never goes back, but to where an allowed reset points', () => {
  const run = (mayReset: boolean, to?: number): readonly string[] => {
    const history = twoHandled(mayReset)
    history.committed(A, 2, 1)
    if (to !== undefined) history.reset(A, 2, to)
    history.stored(1, 2, 0, 2)
    return history.found()
  }
  expect(run(true, 0)).toEqual([])
  expect(run(true, 1)).toEqual(['I4 stored-commit-went-back'])
  expect(run(false)).toEqual(['I4 stored-commit-went-back'])
})

test('I4: a commit without an answer may be stored behind a higher one of the same epoch, once, and of no other member', () => {
  const run = (by: string, ...stored: readonly number[]): readonly string[] => {
    const history = twoHandled()
    history.committing(A, 1, 1)
    history.commitEnded(A, 1, 1, 'info')
    if (by !== A) {
      history.revoked(A, 1)
      history.assigned(by, 1, 1)
    }
    history.committed(by, 2, 1)
    history.stored(...stored)
    return history.found()
  }
  expect(run(A, 2, 1)).toEqual([])
  expect(run(A, 2, 1, 1)).toEqual(['I4 stored-commit-went-back'])
  expect(run(A, 2, 0)).toEqual(['I4 stored-commit-went-back'])
  expect(run(B, 2, 1)).toEqual(['I4 stored-commit-went-back'])
})

test('I4: nothing is committed beyond the end of the log, where the next reader would be out of range', () => {
  const commit = { ...PARTITION, epoch: 1 }
  const found = (offset: bigint): readonly string[] =>
    checkHistory({
      events: [
        { i: 0, t: 1, proc: A, f: 'assign', ...commit },
        { i: 1, t: 2, proc: A, f: 'commit-invoke', ...commit, offset },
        { i: 2, t: 3, proc: A, f: 'commit-ok', ...commit, offset },
      ],
      effects: [],
      log: [],
      deadLetters: [],
      logEnds: [{ topic: PARTITION.topic, partition: 0, end: 5n }],
      expectations: {
        groups: [{ group: GROUP, topics: [PARTITION.topic], ordering: 'key', effects: 'none' }],
        livenessBoundMs: 1,
      },
    }).anomalies.map(({ type }) => type)
  expect(found(5n)).toEqual([]) // a marker may stand at 4
  expect(found(6n)).toEqual(['commit-past-end'])
})

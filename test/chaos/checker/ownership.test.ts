import { expect, test } from 'vitest'
import { buildHistory, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

function oneHandled(): HistoryBuilder {
  const run = buildHistory()
  run.sent('m-0', 0)
  run.sent('m-1', 1)
  run.assigned(A, 1)
  run.delivered(A, 0)
  run.handled(A, 0)
  run.committed(A, 1, 1)
  return run
}

function otherFinishes(run: HistoryBuilder): void {
  run.assigned(B, 1, 1)
  run.handled(B, 1)
  run.committed(B, 2, 1)
}

test('I5: nothing is taken, begun or committed after the partition has gone', () => {
  const run = oneHandled()
  run.lost(A, 1)
  run.delivered(A, 1)
  run.handled(A, 1)
  run.committed(A, 2, 1)
  expect(run.found()).toEqual(['I5 delivered-without-owning', 'I5 began-without-owning', 'I5 committed-without-owning'])
})

test('I5 is kept when the late commit is refused, and when the late handler only ends', () => {
  const run = oneHandled()
  run.began(A, 1)
  run.lost(A, 1)
  run.effect(A, 1)
  run.ended(A, 1, 'ok')
  run.committing(A, 2, 1)
  run.commitEnded(A, 2, 1, 'fail')
  otherFinishes(run)
  expect(run.found()).toEqual([])
  expect(run.check().counters.refusedStaleCommit).toBe(1)
})

test('I5: work of one epoch is not committed under the next one of the same process', () => {
  const run = oneHandled()
  run.revoked(A, 1)
  run.assigned(A, 2, 1)
  run.handled(A, 1, { epoch: 2 })
  run.committed(A, 2, 1)
  expect(run.found()).toEqual(['I5 committed-without-owning'])
})

test('I5 is kept by the drain: a commit before the revocation has ended is the owner’s', () => {
  const run = oneHandled()
  run.handled(A, 1)
  run.committed(A, 2, 1)
  run.revoked(A, 1)
  run.assigned(B, 1, 2)
  expect(run.found()).toEqual([])
})

test('I5 counts epochs for each process: the same number in two of them means nothing', () => {
  const run = oneHandled()
  run.revoked(A, 1)
  otherFinishes(run)
  run.revoked(B, 1)
  run.assigned(A, 2, 2)
  expect(run.found()).toEqual([])
})

test('I5: once the next owner’s commit is accepted the one before has none accepted, although nobody told it', () => {
  const run = (end: 'ok' | 'fail'): readonly string[] => {
    const history = oneHandled()
    otherFinishes(history)
    history.committing(A, 2, 1)
    history.commitEnded(A, 2, 1, end)
    return history.found()
  }
  expect(run('ok')).toEqual(['I5 two-committers'])
  expect(run('fail')).toEqual([])
})

test('I5 is kept when a stopped process notes its assignment late and its commits are refused', () => {
  const run = buildHistory()
  run.sent('m-0', 0)
  run.sent('m-1', 1)
  run.assigned(B, 1)
  run.handled(B, 0)
  run.committed(B, 1, 1)
  run.assigned(A, 1) // it was stopped between the answer and this line
  run.handled(B, 1)
  run.committed(B, 2, 1)
  run.committing(A, 1, 1)
  run.commitEnded(A, 1, 1, 'fail')
  expect(run.found()).toEqual([])
})

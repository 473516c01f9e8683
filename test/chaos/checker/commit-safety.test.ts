import { expect, test } from 'vitest'
import { encodeFinishedRanges } from '../../../src/consumer/finished-ranges.ts'
import { buildHistory, PARTITION, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

function threeRecords(): HistoryBuilder {
  const run = buildHistory()
  for (const offset of [0, 2, 3]) run.sent(`m-${offset}`, offset, { key: `k-${offset}` })
  run.assigned(A, 1)
  return run
}

test('I3: a commit comes after the outcome of every record below it, not a moment before', () => {
  const run = threeRecords()
  run.handled(A, 0)
  run.handled(A, 3)
  run.began(A, 2)
  run.effect(A, 2)
  run.committing(A, 4, 1)
  run.ended(A, 2, 'ok')
  run.commitEnded(A, 4, 1, 'ok')
  expect(run.found()).toEqual(['I3 commit-past-unfinished'])
  expect(run.check().anomalies[0]!.examples[0]).toMatchObject({ proc: A, offset: 2n, topic: 'orders', partition: 0 })
})

test('I3 is kept over offsets that no reader sees: markers and compacted records need no outcome', () => {
  const run = threeRecords()
  run.handled(A, 0)
  run.committed(A, 2, 1)
  run.handled(A, 2)
  run.handled(A, 3)
  run.committed(A, 4, 1)
  expect(run.found()).toEqual([])
})

test('I3 is kept by a stale commit that was refused, and broken by one in doubt', () => {
  const run = (end: 'fail' | 'info'): readonly string[] => {
    const history = threeRecords()
    history.handled(A, 0)
    history.committing(A, 4, 1)
    history.commitEnded(A, 4, 1, end)
    history.handled(A, 2)
    history.handled(A, 3)
    history.committed(A, 4, 1)
    return history.found()
  }
  expect(run('fail')).toEqual([])
  expect(run('info')).toEqual(['I3 commit-past-unfinished'])
})

test('I3: a finished range holds finished records alone', () => {
  const run = (range: readonly [number, number]): readonly string[] => {
    const history = threeRecords()
    history.handled(A, 3)
    history.committed(A, 0, 1, [range])
    history.handled(A, 0)
    history.handled(A, 2)
    history.committed(A, 4, 1)
    return history.found()
  }
  expect(run([3, 3])).toEqual([])
  expect(run([1, 3])).toEqual(['I3 unfinished-in-range'])
})

test('I3 judges a range again when it has grown', () => {
  const run = threeRecords()
  run.handled(A, 2)
  run.committed(A, 0, 1, [[1, 2]])
  run.committed(A, 0, 1, [[1, 3]])
  run.handled(A, 0)
  run.handled(A, 3)
  run.committed(A, 4, 1)
  expect(run.found()).toEqual(['I3 unfinished-in-range'])
})

test('I3 reads the ranges out of the metadata when the journal has not written them out', () => {
  const run = threeRecords()
  const commit = { ...PARTITION, offset: 0n, epoch: 1 }
  const metadata = encodeFinishedRanges(0n, [{ first: 2n, last: 3n }])
  run.handled(A, 3)
  run.by(A, { f: 'commit-invoke', ...commit, metadata })
  run.commitEnded(A, 0, 1, 'ok')
  run.handled(A, 0)
  run.handled(A, 2)
  run.committed(A, 4, 1)
  expect(run.found()).toEqual(['I3 unfinished-in-range'])
})

test('I3 is kept when another process has given the outcome: what it finished travelled in its commit', () => {
  const run = threeRecords()
  run.handled(A, 2)
  run.revoked(A, 1)
  run.assigned(B, 1)
  run.handled(B, 0)
  run.handled(B, 3)
  run.committed(B, 4, 1)
  expect(run.found()).toEqual([])
})

test('I3: a wish to park is no outcome; the acknowledged dead letter is', () => {
  const run = (parkedFirst: boolean): readonly string[] => {
    const history = buildHistory()
    history.sent('m-0', 0)
    history.assigned(A, 1)
    history.began(A, 0)
    history.ended(A, 0, 'parked')
    if (parkedFirst) history.parked(A, 0)
    history.committed(A, 1, 1)
    if (!parkedFirst) history.parked(A, 0)
    return history.found()
  }
  expect(run(true)).toEqual([])
  expect(run(false)).toEqual(['I3 commit-past-unfinished'])
})

test('I3 is kept by a duplicate: the outcome was given before, wherever that was', () => {
  const run = buildHistory()
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.effect(A, 0)
  run.by(A, { f: 'dedupe', ...PARTITION, offset: 0n, value: 'm-0', hit: true })
  run.committed(A, 1, 1)
  expect(run.found()).toEqual([])
})

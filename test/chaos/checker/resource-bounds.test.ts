import { expect, test } from 'vitest'
import { buildHistory } from './history-builder.ts'

const A = 'consumer-1#1'
const FLAT = { heapMb: 50, sockets: 3, timers: 2, inFlight: 0 }

test('I13: no more calls run at once than allowed, counted from the calls', () => {
  const run = (limit: number): readonly string[] => {
    const history = buildHistory({ group: { inFlightLimit: limit } })
    for (const offset of [0, 1]) history.sent(`m-${offset}`, offset, { key: `k-${offset}` })
    history.assigned(A, 1)
    for (const offset of [0, 1]) history.began(A, offset)
    for (const offset of [0, 1]) history.effect(A, offset)
    for (const offset of [0, 1]) history.ended(A, offset, 'ok')
    history.committed(A, 2, 1)
    return history.found()
  }
  expect(run(2)).toEqual([])
  expect(run(1)).toEqual(['I13 too-many-in-flight'])
})

test('I13: memory does not grow after the warm-up; a jump within it is none of a leak', () => {
  const run = (rssAt: (sample: number) => number): readonly string[] => {
    const history = buildHistory({ maxRssSlopeMbPerMinute: 2 })
    for (let sample = 0; sample < 30; sample += 1) {
      history.wait(2_000)
      history.by(A, { f: 'resources', ...FLAT, rssMb: rssAt(sample) })
    }
    return history.found()
  }
  expect(run((sample) => 100 + Math.min(sample, 9) * 20)).toEqual([])
  expect(run((sample) => 100 + sample)).toEqual(['I13 memory-grows']) // 30 MB a minute
  expect(run((sample) => 100 + (sample % 2) * 5)).toEqual([])
})

test('I13: buffers have a bound in bytes', () => {
  const run = (bufferedBytes: number): readonly string[] => {
    const history = buildHistory({ maxBufferedBytes: 1_000 })
    history.by(A, { f: 'resources', ...FLAT, rssMb: 1, bufferedBytes })
    return history.found()
  }
  expect(run(1_000)).toEqual([])
  expect(run(1_001)).toEqual(['I13 too-much-buffered'])
})

test('I13: what was opened is closed at the end', () => {
  const run = (sockets: number, timers: number): readonly string[] => {
    const history = buildHistory()
    history.by(A, { f: 'resources', ...FLAT, rssMb: 1, sockets: 1, timers: 1, phase: 'baseline' })
    history.by(A, { f: 'resources', ...FLAT, rssMb: 1, sockets: 9, timers: 9 })
    history.by(A, { f: 'resources', ...FLAT, rssMb: 1, sockets, timers, phase: 'stopped' })
    return history.found()
  }
  expect(run(1, 0)).toEqual([])
  expect(run(2, 2)).toEqual(['I13 sockets-left', 'I13 timers-left'])
})

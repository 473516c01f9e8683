import { expect, test } from 'vitest'
import type { HistoryEvent } from '../history/index.ts'
import { memoryUse } from './memory.ts'

const MINUTE = 60_000_000

function sample(proc: string, i: number, rssMb: number): HistoryEvent {
  return { i, t: i * MINUTE, proc, f: 'resources', rssMb, heapMb: 1, sockets: 0, timers: 0, inFlight: 0 }
}

test('growth is told of the worker that grows fastest after its warm-up, since one leak hides behind many that have none', () => {
  const minutes = Array.from({ length: 15 }, (_, i) => i)
  const events = [
    ...minutes.map((i) => sample('calm', i, i < 5 ? 50 + 20 * i : 150)), // warm-up alone is no leak
    ...minutes.map((i) => sample('leaks', i, 100 + 3 * i)),
    ...minutes.slice(0, 5).map((i) => sample('short', i / 10, 100 + 50 * i)),
    ...minutes.map((i) => sample('machine', i, 200 + i)),
  ]
  expect(memoryUse(events, 'machine')).toEqual({ workersMaxMb: 300, steepestMbPerMinute: 3, runnerMb: 214 })
  expect(memoryUse([], 'machine')).toEqual({ workersMaxMb: 0, steepestMbPerMinute: null, runnerMb: 0 })
})

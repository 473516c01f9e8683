import { expect, test } from 'vitest'
import { buildHistory, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const BOUND_MS = 10_000

/** Sends one record, heals, and handles and commits it after these waits. */
function afterHeal(handleMs: number, commitMs: number): readonly string[] {
  const run = buildHistory({ livenessBoundMs: BOUND_MS })
  run.assigned(A, 1)
  run.fault('start')
  run.sent('m-0', 0)
  run.wait(60_000)
  run.fault('stop')
  run.wait(handleMs)
  run.handled(A, 0)
  run.wait(commitMs)
  run.committed(A, 1, 1)
  return run.found()
}

test('I12: what a fault has held up is through within the bound after the heal, however long the fault was', () => {
  expect(afterHeal(BOUND_MS - 100, 0)).toEqual([])
  expect(afterHeal(BOUND_MS + 100, 0)).toEqual(['I12 late-outcome', 'I12 late-commit'])
  expect(afterHeal(0, BOUND_MS + 100)).toEqual(['I12 late-commit'])
})

test('I12 counts from the acknowledgement of what was sent after the heal', () => {
  const run = buildHistory({ livenessBoundMs: BOUND_MS })
  run.assigned(A, 1)
  run.fault('stop')
  run.wait(60_000)
  run.sent('m-0', 0)
  run.handled(A, 0)
  run.committed(A, 1, 1)
  expect(run.found()).toEqual([])
})

test('I12: everything is committed in the end', () => {
  const run = handled()
  run.committing(A, 1, 1)
  expect(run.found()).toEqual(['I12 lag-left'])
})

test('I12 is kept when a process died before it could note the answer, and the next one starts there', () => {
  const next = handled()
  next.committing(A, 1, 1)
  next.assigned('consumer-2#1', 1, 1)
  expect(next.found()).toEqual([])

  const broker = handled()
  broker.committing(A, 1, 1)
  broker.stored(1)
  expect(broker.found()).toEqual([])
})

test('I12: processes end by documented codes, with nothing uncaught', () => {
  const exits = (how: number | string): readonly string[] => {
    const run = buildHistory({ allowedExits: [0, 'SIGKILL'] })
    run.by(A, { f: 'start', role: 'consumer' })
    run.exits(A, how)
    return run.found()
  }
  expect(exits(0)).toEqual([])
  expect(exits('SIGKILL')).toEqual([])
  expect(exits(1)).toEqual(['I12 undocumented-exit'])
  expect(exits('SIGSEGV')).toEqual(['I12 undocumented-exit'])

  const unhandled = buildHistory()
  unhandled.by(A, { f: 'stop', role: 'consumer', exitCode: 0, unhandled: 'TypeError' })
  expect(unhandled.found()).toEqual(['I12 unhandled-error'])

  const vanished = buildHistory()
  vanished.by(A, { f: 'start', role: 'consumer' })
  expect(vanished.found()).toEqual(['I12 no-end'])
})

test('I12: a send fails by expected codes alone, and ends before its process does', () => {
  const fails = (allowedProduceFailures: readonly string[]): readonly string[] => {
    const run = buildHistory({ allowedProduceFailures })
    run.invoked('m-0')
    run.by('producer-1#1', { f: 'produce-fail', value: 'm-0', code: 'HOLDFAST_UNAVAILABLE' })
    return run.found()
  }
  expect(fails(['HOLDFAST_UNAVAILABLE'])).toEqual([])
  expect(fails([])).toEqual(['I12 send-failed'])

  const open = (how: number | string): readonly string[] => {
    const run = buildHistory({ allowedExits: [0, 'SIGKILL'] })
    run.invoked('m-0')
    run.exits('producer-1#1', how, 'producer')
    return run.found()
  }
  expect(open(0)).toEqual(['I12 send-never-settled'])
  expect(open('SIGKILL')).toEqual([])
})

test('I12: nobody stays unhealthy or keeps records in flight', () => {
  const health = (...states: readonly string[]): readonly string[] => {
    const run = buildHistory({ livenessBoundMs: BOUND_MS })
    run.fault('stop')
    for (const state of states) run.by(A, { f: 'health', group: 'g', state })
    run.wait(BOUND_MS * 2)
    run.exits(A, 0)
    return run.found()
  }
  expect(health('unhealthy', 'healthy')).toEqual([])
  expect(health('healthy', 'unhealthy')).toEqual(['I12 unhealthy'])

  const left = buildHistory()
  left.by(A, { f: 'resources', rssMb: 1, heapMb: 1, sockets: 0, timers: 0, inFlight: 2, phase: 'stopped' })
  expect(left.found()).toEqual(['I12 in-flight-left'])
})

function handled(): HistoryBuilder {
  const run = buildHistory()
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.handled(A, 0)
  return run
}

import { expect, test } from 'vitest'
import { buildHistory } from './history-builder.ts'
import { formatReport, laneChart, resultJson, runResult, type CheckResult, type RunResult } from './index.ts'
import type { HistoryEvent } from '../history/index.ts'

const A = 'consumer-1#1'
const NAMES = { seed: '42', gitSha: 'abc', versions: { node: '20', kafka: '4.3.1' } }

test('the lane chart has a line for each process, whatever its incarnation, and one for each fault', () => {
  const second = 1_000_000
  const events: HistoryEvent[] = [
    { i: 0, t: 0, proc: A, f: 'start', role: 'consumer' },
    { i: 1, t: second, proc: A, f: 'assign', group: 'g', topic: 't', partition: 0, epoch: 1 },
    { i: 0, t: 2 * second, proc: 'nemesis', f: 'nemesis', fault: 'kill', target: 'consumer-1', phase: 'start' },
    { i: 0, t: 3 * second, proc: 'machine', f: 'stop', role: 'consumer', of: A, signal: 'SIGKILL' },
    { i: 1, t: 4 * second, proc: 'nemesis', f: 'nemesis', fault: 'kill', target: 'consumer-1', phase: 'stop' },
    {
      i: 0,
      t: 6 * second,
      proc: 'consumer-1#2',
      f: 'dedupe',
      group: 'g',
      topic: 't',
      partition: 0,
      offset: 0n,
      value: 'v',
      hit: true,
    },
    { i: 0, t: 9 * second, proc: 'producer-1#1', f: 'produce-invoke', value: 'm', key: null, topic: 't' },
  ]
  expect(laneChart(events, { columns: 10, firstViolationAt: 6 * second })).toEqual([
    'kill consumer-1 |  ###     |',
    'consumer-1      |.R X  =   |',
    'producer-1      |         =|',
    'first violation |      !   |',
    '                 0 s  9.0 s',
  ])
  expect(laneChart([])).toEqual([])
})

test('a fault that was never healed lasts to the end of the chart', () => {
  const events: HistoryEvent[] = [
    { i: 0, t: 1, proc: 'nemesis', f: 'nemesis', fault: 'pause', target: 'b', phase: 'start' },
    { i: 0, t: 9_000_000, proc: A, f: 'start', role: 'consumer' },
  ]
  expect(laneChart(events, { columns: 5 })[0]).toBe('pause b    |#####|')
})

test('the report names what was found, with what happened around it', () => {
  const { events, check } = lossy()
  const report = formatReport({ name: 'consumer killed', events, check })
  expect(report).toContain('NOT VALID: consumer killed, 7 events')
  expect(report).toContain('I1 lost: 1\n')
  expect(report).toContain('m-1 (orders[0]@1) is on the log; g neither handled it nor parked nor skipped it')
  expect(report).toContain('producer-1#1:1 produce-ok orders[0]@1 value=m-1')
  expect(report).toContain('never happened, so that nothing is proven about it: dedupeHit')
})

test('result.json has all scenarios in one: types with their counts and examples, counters summed, offsets as text', () => {
  const { check } = lossy()
  const result = runResult(NAMES, [
    { name: 'calm', startedAt: 0, check: buildHistory().check() },
    { name: 'first', startedAt: 1_000, check },
    { name: 'second', startedAt: 1_000, check },
  ])
  const read = JSON.parse(resultJson(result)) as RunResult
  expect(read).toMatchObject({ valid: false, ...NAMES, firstViolationAt: { scenario: 'first' } })
  expect(read.scenarios.map(({ name, valid }) => [name, valid])).toEqual([
    ['calm', true],
    ['first', false],
    ['second', false],
  ])
  expect(read.scenarios[1]!.anomalies).toMatchObject({ lost: 1 })
  expect(read.anomalies['lost']).toMatchObject({ invariant: 'I1', count: 2 })
  expect(read.anomalies['lost']!.examples.map(({ scenario, offset }) => [scenario, offset])).toEqual([
    ['first', '1'],
    ['second', '1'],
  ])
  expect(read.counters.produceInfo).toBe(0)
})

test('a run without a scenario has proven nothing and is not valid', () => {
  expect(runResult(NAMES, []).valid).toBe(false)
  expect(runResult(NAMES, [{ name: 'calm', startedAt: 0, check: buildHistory().check() }])).toMatchObject({
    valid: true,
    firstViolationAt: null,
  })
})

function lossy(): { readonly events: readonly HistoryEvent[]; readonly check: CheckResult } {
  const run = buildHistory({ requiredCounters: ['dedupeHit'] })
  run.sent('m-1', 1)
  run.assigned(A, 1)
  run.delivered(A, 1)
  run.committed(A, 2, 1)
  run.exits(A, 0)
  return { events: run.events, check: run.check() }
}

import { expect, test } from 'vitest'
import { DEAD_LETTER_HEADERS } from '../../../src/dlq/index.ts'
import { checkHistory, type DeadLetterRecord } from './index.ts'
import { buildHistory, GROUP, PARTITION, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

function oneRecord(): HistoryBuilder {
  const run = buildHistory()
  run.sent('m-0', 0)
  run.assigned(A, 1)
  return run
}

test('I9 is kept by a dead letter that is its record, with trace headers after the record’s own', () => {
  const run = oneRecord()
  const headers = [
    ['source', 'shop'],
    ['empty', ''],
    ['null', null],
    ['traceparent', '00-1'],
  ] as const
  run.parked(A, 0, { headers })
  run.committed(A, 1, 1)
  expect(run.found()).toEqual([])
})

test.each([
  ['another value', { value: 'other bytes' }, 'another value'],
  ['another timestamp', { timestamp: 5 }, 'another timestamp'],
  ['a header less', { headers: [['source', 'shop']] }, 'another headers'],
  [
    'an empty header that became null',
    {
      headers: [
        ['source', 'shop'],
        ['empty', null],
        ['null', null],
      ],
    },
    'another headers',
  ],
] as const)('I9: a dead letter with %s is not its record', (_, letter, text) => {
  const run = oneRecord()
  run.parked(A, 0, letter)
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I9 dead-letter-changed'])
  expect(run.check().anomalies[0]!.examples[0]!.text).toContain(text)
})

test('I9: a dead letter that was acknowledged is there', () => {
  const run = oneRecord()
  run.by(A, { f: 'park', ...PARTITION, offset: 0n, deadLetterTopic: 'orders.dlq', code: 'HANDLER' })
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I1 lost', 'I9 dead-letter-missing'])
})

test('I9: one process gives a record one outcome', () => {
  const both = oneRecord()
  both.handled(A, 0)
  both.parked(A, 0)
  both.committed(A, 1, 1)
  expect(both.found()).toEqual(['I9 handled-and-parked'])

  const twice = oneRecord()
  twice.parked(A, 0)
  twice.parked(A, 0)
  twice.committed(A, 1, 1)
  expect(twice.found()).toEqual(['I9 parked-twice'])
})

test('I9 is kept when a process died between the dead letter and its mark: the next one may park or handle it again', () => {
  const run = (second: (run: HistoryBuilder) => void): readonly string[] => {
    const history = buildHistory({ allowedExits: ['SIGKILL'] })
    history.sent('m-0', 0)
    history.assigned(A, 1)
    history.began(A, 0)
    history.parked(A, 0)
    history.exits(A, 'SIGKILL')
    history.assigned(B, 1)
    second(history)
    history.committed(B, 1, 1)
    return history.found()
  }
  expect(run((history) => history.parked(B, 0))).toEqual([])
  expect(run((history) => history.handled(B, 0))).toEqual([])
})

test('I9: without any fault nobody parks a record twice, whatever the journals say', () => {
  const run = oneRecord()
  run.parked(A, 0)
  run.letter(0)
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I9 parked-twice'])
})

test('I9: a dead letter names its origin and its group, and is never of its own topic’s record', () => {
  const { topic, partition, offset, group } = DEAD_LETTER_HEADERS
  const found = (headers: DeadLetterRecord['headers']): readonly string[] =>
    checkHistory({
      events: [],
      effects: [],
      log: [],
      deadLetters: [{ topic: 'orders.dlq', partition: 0, offset: 0n, key: null, value: '', headers }],
      expectations: {
        groups: [{ group: GROUP, topics: ['orders'], ordering: 'key', effects: 'none' }],
        livenessBoundMs: 1,
      },
    }).anomalies.map(({ type }) => type)
  const place = [
    [partition, '0'],
    [offset, '7'],
  ] as const
  expect(found([[topic, 'orders'], ...place, [group, GROUP]])).toEqual([])
  expect(found([[topic, 'orders.dlq'], ...place, [group, GROUP]])).toEqual(['dead-letter-loop'])
  expect(found([...place, [group, GROUP]])).toEqual(['dead-letter-without-origin'])
  expect(found([[topic, 'orders'], ...place])).toEqual(['dead-letter-of-nobody'])
})

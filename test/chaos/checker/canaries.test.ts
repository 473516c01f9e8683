import { expect, test } from 'vitest'
import { DEAD_LETTER_HEADERS } from '../../../src/dlq/index.ts'
import { buildHistory, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const CANARY = 'canary-4711'

function run(body: (history: HistoryBuilder) => void): HistoryBuilder {
  const history = buildHistory({ canaries: [CANARY] })
  history.sent('m-0', 0)
  history.assigned(A, 1)
  body(history)
  history.committed(A, 1, 1)
  return history
}

test('I14: what stands in payloads is in no log, span or metric, and the report does not repeat it', () => {
  const leaked = run((history) => {
    history.handled(A, 0)
    history.emitted({ source: 'a span attribute', text: `value is ${CANARY}` })
    history.by(A, { f: 'log', level: 'error', text: `cannot handle ${CANARY}!` })
  })
  expect(leaked.found()).toEqual(['I14 canary-leaked'])
  expect(leaked.check().anomalies[0]!.count).toBe(2)
  expect(
    leaked
      .check()
      .anomalies[0]!.examples.map(({ text }) => text)
      .join(),
  ).not.toContain(CANARY)

  const silent = run((history) => {
    history.handled(A, 0)
    history.emitted({ source: 'a span attribute', text: 'orders[0]@0' })
    history.by(A, { f: 'log', level: 'error', text: 'cannot handle orders[0]@0' })
  })
  expect(silent.found()).toEqual([])
})

test('I14: the headers that we add to a dead letter are ours to keep clean; the record’s own are its payload', () => {
  const withHeader = (name: string): readonly string[] =>
    run((history) => {
      const own = [
        ['source', 'shop'],
        ['empty', ''],
        ['null', null],
      ] as const
      history.parked(A, 0, { headers: [...own, [name, Buffer.from(`boom ${CANARY}`)]] })
    }).found()
  expect(withHeader(DEAD_LETTER_HEADERS.errorMessage)).toEqual(['I14 canary-leaked'])
  expect(withHeader('customer')).toEqual([])
})

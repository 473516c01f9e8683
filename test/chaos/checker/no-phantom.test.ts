import { expect, test } from 'vitest'
import { buildHistory, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const P = 'producer-1#1'

function handledOnce(run: HistoryBuilder): void {
  run.assigned(A, 1)
  run.handled(A, 0)
  run.committed(A, 1, 1)
}

test('I2: a send that failed for certain has no effect and does not stand on the log', () => {
  const run = buildHistory({ allowedProduceFailures: ['HOLDFAST_UNAVAILABLE'] })
  run.invoked('m-1')
  run.onLog('m-1', 0)
  run.by(P, { f: 'produce-fail', value: 'm-1', code: 'HOLDFAST_UNAVAILABLE' })
  handledOnce(run)
  expect(run.found()).toEqual(['I2 effect-of-unwritten', 'I2 failed-send-written'])
})

test('I2 is kept when the send was in doubt: it may have been written', () => {
  const run = buildHistory()
  run.invoked('m-1')
  run.onLog('m-1', 0)
  run.by(P, { f: 'produce-info', value: 'm-1', code: 'HOLDFAST_INDETERMINATE' })
  handledOnce(run)
  expect(run.found()).toEqual([])
})

test('I2: a value of an aborted transaction has no effect', () => {
  const run = (end: 'txn-abort' | 'txn-info'): readonly string[] => {
    const history = buildHistory()
    history.invoked('m-1', { txn: 'x-1' })
    history.onLog('m-1', 0)
    history.by(P, { f: 'produce-ok', value: 'm-1', topic: 'orders', partition: 0, offset: 0n, txn: 'x-1' })
    history.by(P, { f: end, txn: 'x-1', transactionalId: 'tx' })
    handledOnce(history)
    return history.found()
  }
  expect(run('txn-abort')).toEqual(['I2 effect-of-unwritten', 'I11 aborted-visible'])
  expect(run('txn-info')).toEqual([])
})

test('I2: an effect of a value that nobody sent, or of another than stands at its offset, was misread', () => {
  const run = buildHistory()
  run.sent('m-1', 0)
  run.assigned(A, 1)
  run.handled(A, 0)
  run.effect(A, 0, { value: 'm-99' })
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I2 effect-of-unknown', 'I2 misread', 'I6 effects-reordered'])
})

test('I2: a record of a failed send is not parked either', () => {
  const run = buildHistory({ allowedProduceFailures: ['HOLDFAST_REFUSED'] })
  run.invoked('m-1')
  run.onLog('m-1', 0)
  run.by(P, { f: 'produce-fail', value: 'm-1', code: 'HOLDFAST_REFUSED' })
  run.assigned(A, 1)
  run.parked(A, 0)
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I2 failed-send-written', 'I2 dead-letter-of-unwritten'])
})

import { expect, test } from 'vitest'
import { buildHistory } from './history-builder.ts'

const P = 'producer-1#1'

/** Sends two values in a transaction; those that are named stand on the log. */
function transaction(
  end: 'txn-commit' | 'txn-abort' | 'txn-info' | undefined,
  visible: readonly string[],
): readonly string[] {
  const run = buildHistory({ group: { topics: [] } })
  run.by(P, { f: 'txn-begin', txn: 'x-1', transactionalId: 'tx' })
  ;['m-0', 'm-1'].forEach((value, offset) => {
    run.invoked(value, { txn: 'x-1' })
    if (visible.includes(value)) run.onLog(value, offset)
    run.by(P, { f: 'produce-ok', value, topic: 'orders', partition: 0, offset: BigInt(offset), txn: 'x-1' })
  })
  if (end !== undefined) run.by(P, { f: end, txn: 'x-1', transactionalId: 'tx' })
  return run.found()
}

test('I11: a committed transaction is visible, the whole of it', () => {
  expect(transaction('txn-commit', ['m-0', 'm-1'])).toEqual([])
  expect(transaction('txn-commit', ['m-1'])).toEqual(['I11 torn-transaction'])
  expect(transaction('txn-commit', [])).toEqual(['I11 committed-invisible'])
})

test('I11: nothing of an aborted transaction is visible', () => {
  expect(transaction('txn-abort', [])).toEqual([])
  expect(transaction('txn-abort', ['m-0'])).toEqual(['I11 aborted-visible'])
})

test.each(['txn-info', undefined] as const)('I11: one in doubt (%s) is visible or not, and never torn', (end) => {
  expect(transaction(end, [])).toEqual([])
  expect(transaction(end, ['m-0', 'm-1'])).toEqual([])
  expect(transaction(end, ['m-0'])).toEqual(['I11 torn-transaction'])
})

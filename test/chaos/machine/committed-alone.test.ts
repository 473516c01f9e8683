import { expect, test } from 'vitest'
import type { FetchedMessage, FetchedPartition } from '../../../scripts/kafka-log/committed-alone.ts'
import { leaveOutRolledBack } from '../../../scripts/kafka-log/committed-alone.ts'

const ABORT = Buffer.from([0, 0, 0, 0])
const COMMIT = Buffer.from([0, 0, 0, 1])

const record = (offset: number, producerId: string, inTransaction = true): FetchedMessage => ({
  offset: String(offset),
  key: null,
  isControlRecord: false,
  batchContext: { producerId, inTransaction },
})
const marker = (offset: number, producerId: string, key: Buffer): FetchedMessage => ({
  offset: String(offset),
  key,
  isControlRecord: true,
  batchContext: { producerId, inTransaction: true },
})

function left(partition: FetchedPartition): readonly string[] {
  leaveOutRolledBack(partition)
  expect(partition.abortedTransactions).toEqual([])
  return partition.messages.map(({ offset }) => offset)
}

test('of transactions that were open side by side all that were rolled back are left out, in whatever order the broker names them', () => {
  const messages = [
    record(0, '1'),
    record(1, '2'),
    record(2, '3'),
    record(3, '1'),
    marker(4, '2', ABORT),
    record(5, '2'),
    marker(6, '3', COMMIT),
    marker(7, '1', ABORT),
    marker(8, '2', COMMIT),
  ]
  const abortedTransactions = [
    { producerId: '2', firstOffset: '1' },
    { producerId: '1', firstOffset: '0' },
  ]
  expect(left({ messages, abortedTransactions })).toEqual(['2', '4', '5', '6', '7', '8'])
})

test('what had begun before the first record of a fetch is left out from that on', () => {
  const messages = [record(10, '1'), record(11, '2'), record(12, '3', false), record(13, '1')]
  const abortedTransactions = [
    { producerId: '2', firstOffset: '5' },
    { producerId: '1', firstOffset: '3' },
  ]
  expect(left({ messages, abortedTransactions })).toEqual(['12'])
})

test('a record outside of transactions is left, whatever its producer has rolled back', () => {
  const messages = [record(0, '1', false), record(1, '1')]
  expect(left({ messages, abortedTransactions: [{ producerId: '1', firstOffset: '0' }] })).toEqual(['0'])
})

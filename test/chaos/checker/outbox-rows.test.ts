import { expect, test } from 'vitest'
import { buildOutbox } from './outbox-builder.ts'

const A = 'relay-1#1'

test('I10 is kept when every committed message is on the topic, in the order of its key', () => {
  const run = buildOutbox()
  for (const id of ['m-1', 'm-2']) run.committed(id)
  run.committed('n-1', 'other')
  run.takes(A, 1)
  run.relayed(A, 'm-1', 'n-1', 'm-2')
  expect(run.found()).toEqual([])
  expect(run.check().counters).toMatchObject({ outboxCommitted: 3, outboxPublished: 3, outboxDoubles: 0 })
})

test('I10: what was committed is on the topic, and one that is gone from the outbox weighs more than one that waits', () => {
  const run = buildOutbox()
  for (const id of ['m-1', 'm-2', 'm-3']) run.committed(id)
  run.left('m-2')
  run.left('m-3', true)
  expect(run.found()).toEqual(['I10 missing'])
  const [{ count, examples } = { count: 0, examples: [] }] = run.check().anomalies
  expect(count).toBe(3)
  expect(examples.map(({ text }) => text)).toEqual([
    'm-1, number 1 of k, was committed, and is not on the topic: it is gone from the outbox',
    'm-2, number 2 of k, was committed, and is not on the topic: it is in the outbox',
    'm-3, number 3 of k, was committed, and is not on the topic: it is set aside',
  ])
})

test('I10: what was sent is not left in the outbox', () => {
  const run = buildOutbox()
  run.committed('m-1')
  run.relayed(A, 'm-1')
  run.left('m-1')
  expect(run.found()).toEqual(['I10 row-left'])
})

test('I10: nothing is on the topic that was rolled back, or that nobody has enqueued', () => {
  const run = buildOutbox()
  run.committed('m-1')
  run.relayed(A, 'm-1')
  run.onLog('m-2')
  run.onLog(null)
  expect(run.check().anomalies.map(({ type, count }) => [type, count])).toEqual([['never-committed', 2]])
})

test('I10: first copies of a key stand in the order of its commits, whatever stands between', () => {
  const run = buildOutbox()
  for (const id of ['m-1', 'm-2', 'm-3']) run.committed(id)
  run.takes(A, 1)
  run.relayed(A, 'm-1', 'm-3', 'm-2')
  expect(run.found()).toEqual(['I10 reordered'])
})

test('I10 is kept when keys come in any order among each other', () => {
  const run = buildOutbox()
  run.committed('m-1')
  run.committed('n-1', 'other')
  run.committed('n-2', 'other')
  run.relayed(A, 'n-1', 'n-2', 'm-1')
  expect(run.found()).toEqual([])
})

test('I10: all records of a key are in one partition', () => {
  const run = buildOutbox()
  run.committed('m-1')
  run.committed('m-2')
  run.onLog('m-1')
  run.onLog('m-2', { partition: 1 })
  expect(run.found()).toEqual(['I10 key-moved'])
})

test('I10: a message has the key with which it was enqueued, and a double the bytes of its first copy', () => {
  const run = buildOutbox()
  run.committed('m-1')
  run.onLog('m-1', { key: 'another' })
  expect(run.found()).toEqual(['I10 copy-changed'])

  const twice = buildOutbox()
  twice.committed('m-1')
  twice.takes(A, 1)
  twice.failed(A, twice.sends(A, 'm-1'), 'HOLDFAST_INDETERMINATE')
  twice.onLog('m-1')
  twice.sends(A, 'm-1')
  twice.onLog('m-1', { digest: 'encoded anew' })
  expect(twice.found()).toEqual(['I10 copy-changed'])
})

import { expect, test } from 'vitest'
import { buildOutbox, type OutboxBuilder } from './outbox-builder.ts'

const [A, B] = ['relay-1#1', 'relay-2#1']

function withRows(run: OutboxBuilder, ...ids: readonly string[]): OutboxBuilder {
  for (const id of ids) run.committed(id)
  run.takes(A, 1)
  return run
}

test('I10: a double that nothing explains', () => {
  const run = withRows(buildOutbox(), 'm-1')
  run.relayed(A, 'm-1')
  run.relayed(A, 'm-1')
  expect(run.found()).toEqual(['I10 double-unexplained'])
})

test('I10: another worker that sends what is marked already, though the bucket is its own by now', () => {
  const run = withRows(buildOutbox(), 'm-1')
  run.relayed(A, 'm-1')
  run.wait(5_000)
  run.loses(A, 1)
  run.takes(B, 2)
  run.relayed(B, 'm-1')
  expect(run.found()).toEqual(['I10 double-unexplained'])
})

test('a double after a kill between acknowledgement and mark is explained, and counted', () => {
  const run = withRows(buildOutbox(), 'm-1', 'm-2')
  run.acked(A, run.sends(A, 'm-1', 'm-2'), ['m-1', 'm-2'])
  run.killed(A)
  run.takes(B, 2)
  run.relayed(B, 'm-1', 'm-2')
  expect(run.found()).toEqual([])
  expect(run.check().counters).toMatchObject({
    outboxDoubles: 2,
    doubledByRelayKill: 2,
    killedUnmarked: 2,
    bucketsMoved: 1,
    bucketsLost: 0,
  })
})

test('one in doubt, and one behind a row that was not written, come again in place', () => {
  const run = withRows(buildOutbox(), 'm-1', 'm-2')
  const batch = run.sends(A, 'm-1', 'm-2')
  run.onLog('m-1')
  run.failed(A, batch, 'HOLDFAST_INDETERMINATE')
  run.relayed(A, 'm-1', 'm-2')
  expect(run.found()).toEqual([])
  expect(run.check().counters).toMatchObject({ outboxDoubles: 1, doubledByDoubt: 1 })
})

test('one whose bucket went to another worker before it was marked', () => {
  const run = withRows(buildOutbox(), 'm-1')
  run.acked(A, run.sends(A, 'm-1'), ['m-1'])
  run.takes(B, 2)
  run.relayed(B, 'm-1')
  run.marked(A, 'm-1')
  run.loses(A, 1)
  expect(run.found()).toEqual([])
  expect(run.check().counters).toMatchObject({ doubledByLease: 1, bucketsMoved: 1, bucketsLost: 1 })
})

test('I10: more copies than sends that could have left one', () => {
  const run = withRows(buildOutbox(), 'm-1')
  run.failed(A, run.sends(A, 'm-1'), 'HOLDFAST_UNAVAILABLE')
  run.onLog('m-1')
  run.relayed(A, 'm-1')
  expect(run.found()).toEqual(['I10 written-twice-by-relay'])
})

test('I10: in a run that explains no double there is none', () => {
  const run = withRows(buildOutbox({ outbox: { doubles: 'none' } }), 'm-1')
  run.failed(A, run.sends(A, 'm-1'), 'HOLDFAST_INDETERMINATE')
  run.onLog('m-1')
  run.relayed(A, 'm-1')
  expect(run.found()).toEqual(['I10 doubled'])
})

/** B has the bucket, and has sent what is newer, when the old copy of A comes to the log. */
function oldCopy(run: OutboxBuilder, stands: boolean): OutboxBuilder {
  withRows(run, 'm-1', 'm-2')
  if (stands) run.stands(A)
  run.takes(B, 2)
  run.relayed(B, 'm-1', 'm-2')
  run.wait(5_000)
  if (stands) run.goesOn(A)
  run.acked(A, run.sends(A, 'm-1'), ['m-1'])
  return run
}

test('an old copy behind a newer record is let pass where its sender stood still, and counted', () => {
  const run = oldCopy(buildOutbox(), true)
  expect(run.found()).not.toContain('I10 stale-copy')
  expect(run.check().counters.staleCopies).toBe(1)
})

test('I10: an old copy behind a newer record, of a sender that went on all the time', () => {
  expect(oldCopy(buildOutbox(), false).found()).toContain('I10 stale-copy')
})

test('I10: with a transactional id for each bucket not even of one that stood still', () => {
  const run = oldCopy(buildOutbox({ outbox: { staleCopies: 'none' } }), true)
  expect(run.found()).toContain('I10 stale-copy')
})

test('an old copy of a process that stood still, and then did not hear whether it was written', () => {
  const run = withRows(buildOutbox(), 'm-1', 'm-2')
  const batch = run.sends(A, 'm-1')
  run.stands(A)
  run.takes(B, 2)
  run.relayed(B, 'm-1', 'm-2')
  run.goesOn(A)
  run.onLog('m-1')
  run.failed(A, batch, 'HOLDFAST_INDETERMINATE')
  expect(run.found()).toEqual([])
  expect(run.check().counters.staleCopies).toBe(1)
})

test('I10: an old copy that nobody has told of', () => {
  const run = withRows(buildOutbox(), 'm-1', 'm-2')
  run.sends(A, 'm-1')
  run.killed(A)
  run.takes(B, 2)
  run.relayed(B, 'm-1', 'm-2')
  run.onLog('m-1')
  expect(run.found()).toEqual(['I10 stale-copy'])
})

test('what comes again and goes on to the newest is no old copy', () => {
  const run = withRows(buildOutbox({ outbox: { staleCopies: 'none' } }), 'm-1', 'm-2', 'm-3')
  run.acked(A, run.sends(A, 'm-1', 'm-2'), ['m-1', 'm-2'])
  run.killed(A)
  run.takes(B, 2)
  run.relayed(B, 'm-1', 'm-2', 'm-3')
  expect(run.found()).toEqual([])
  expect(run.check().counters.staleCopies).toBe(0)
})

test('transactions, fenced sends and marks in doubt are counted', () => {
  const run = withRows(buildOutbox(), 'm-1')
  for (const result of ['committed', 'rolled-back', 'failed', 'in-doubt'] as const) run.transaction(result)
  run.failed(A, run.sends(A, 'm-1'), 'HOLDFAST_FENCED')
  run.relayed(A, 'm-1')
  expect(run.check().counters).toMatchObject({ outboxRolledBack: 2, outboxCommitInDoubt: 1, fencedSends: 1 })
})

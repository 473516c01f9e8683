import { expect, test } from 'vitest'
import { buildHistory, PARTITION, type HistoryBuilder } from './history-builder.ts'
import { checkVacuity } from './index.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

/**
 * A run in which everything goes wrong that may: a send in doubt, a process killed between a dead letter and its mark, a zombie whose
 * effect is blocked and whose commit is refused, a retry, a marker, finished ranges.
 */
function eventfulRun(): HistoryBuilder {
  const run = buildHistory({
    allowedExits: [0, 'SIGKILL'],
    canaries: ['canary'],
    group: {
      effects: 'exactly-once',
      inFlightLimit: 8,
      retry: { maxAttempts: 3, initialDelayMs: 10, factor: 2, maxDelayMs: 100, jitter: 0.2 },
    },
    requiredCounters: [
      'rebalanceWithWorkInFlight',
      'refusedStaleCommit',
      'refusedStaleWork',
      'dedupeHit',
      'parkAfterCrash',
      'produceInfo',
      'zombieEffectBlocked',
    ],
  })
  for (const offset of [0, 1, 3, 4]) run.sent(`m-${offset}`, offset, { key: `k-${offset}` })
  run.invoked('m-doubt')
  run.by('producer-1#1', { f: 'produce-info', value: 'm-doubt', code: 'HOLDFAST_INDETERMINATE' })
  run.assigned(A, 1)
  for (const offset of [0, 1, 3, 4]) run.delivered(A, offset)
  run.handled(A, 1)
  run.committed(A, 0, 1, [[1, 2]])
  run.began(A, 0)
  run.began(A, 3)
  run.letter(3)
  run.fault('start')
  run.exits(A, 'SIGKILL')
  run.fault('stop')

  run.assigned(B, 1)
  for (const offset of [0, 1, 3, 4]) run.delivered(B, offset)
  run.began(B, 0)
  run.ended(B, 0, 'failed')
  run.by(B, { f: 'retry', ...PARTITION, offset: 0n, attempt: 1, delayMs: 10 })
  run.wait(10)
  run.began(B, 0, { attempt: 2 })
  run.effect(B, 0)
  run.ended(B, 0, 'ok', { attempt: 2 })
  run.by(B, { f: 'dedupe', ...PARTITION, offset: 1n, value: 'm-1', hit: true })
  run.parked(B, 3)
  run.committed(B, 4, 1)
  run.began(B, 4)
  run.lost(B, 1)

  const again = 'consumer-1#2'
  run.assigned(again, 1, 4)
  run.delivered(again, 4)
  run.handled(again, 4)
  run.ended(B, 4, 'ok') // the zombie wakes: the row was there
  run.committing(B, 5, 1)
  run.commitEnded(B, 5, 1, 'fail')
  run.by(B, { f: 'refused', ...PARTITION, offset: 4n, operation: 'complete' })
  run.committed(again, 5, 1)
  run.revoked(again, 1)
  for (const proc of [B, again]) run.exits(proc, 0)
  return run
}

test('a run in which everything goes wrong that may is valid, and has proven all that it had to', () => {
  const { valid, anomalies, vacuous, counters, firstViolationAt } = eventfulRun().check()
  expect(anomalies).toEqual([])
  expect(vacuous).toEqual([])
  expect(firstViolationAt).toBeUndefined()
  expect(valid).toBe(true)
  expect(counters).toEqual({
    rebalanceWithWorkInFlight: 2,
    refusedStaleCommit: 1,
    refusedStaleWork: 1,
    dedupeHit: 1,
    parkAfterCrash: 1,
    produceInfo: 1,
    zombieEffectBlocked: 1,
    redelivered: 2,
    retried: 1,
    parked: 1,
    reset: 0,
    effects: 3,
    paused: 0,
    transactionRepeated: 0,
    commitFoundByMark: 0,
    doubledByKill: 0,
    doubledByLoss: 0,
    // There is no outbox.
    outboxCommitted: 0,
    outboxPublished: 0,
    outboxRolledBack: 0,
    outboxCommitInDoubt: 0,
    outboxDoubles: 0,
    doubledByRelayKill: 0,
    doubledByDoubt: 0,
    doubledByLease: 0,
    staleCopies: 0,
    killedUnmarked: 0,
    bucketsMoved: 0,
    bucketsLost: 0,
    fencedSends: 0,
    markInDoubt: 0,
  })
})

test('a run that never met what it was made for is not valid, although nothing went wrong', () => {
  const run = buildHistory({ requiredCounters: ['dedupeHit', 'effects'] })
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.handled(A, 0)
  run.committed(A, 1, 1)
  const { valid, vacuous, anomalies, counters } = run.check()
  expect(anomalies).toEqual([])
  expect(vacuous).toEqual(['dedupeHit'])
  expect(valid).toBe(false)
  expect(checkVacuity(counters, [])).toEqual([])
})

test('a park counts as one after a crash only when who had begun the record was dead', () => {
  const parkAfter = (how: number | string): number => {
    const run = buildHistory()
    run.sent('m-0', 0)
    run.assigned(A, 1)
    run.began(A, 0)
    run.exits(A, how)
    run.assigned(B, 1)
    run.parked(B, 0)
    return run.check().counters.parkAfterCrash
  }
  expect(parkAfter('SIGKILL')).toBe(1)
  expect(parkAfter(0)).toBe(0)
})

test('an owner who meets the effect of one that died is no zombie', () => {
  const run = buildHistory({ group: { effects: 'exactly-once' } })
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.began(A, 0)
  run.effect(A, 0)
  run.exits(A, 'SIGKILL')
  run.assigned(B, 1)
  run.began(B, 0)
  run.ended(B, 0, 'ok')
  expect(run.check().counters).toMatchObject({ zombieEffectBlocked: 0, redelivered: 1 })
})

test('keeps the eight worst examples and counts the rest', () => {
  const run = buildHistory()
  run.assigned(A, 1)
  for (let offset = 0; offset < 20; offset += 1) run.sent(`m-${offset}`, offset)
  for (let offset = 20; offset > 0; offset -= 1) run.committed(A, offset, 1)
  const back = run.check().anomalies.find(({ type }) => type === 'commit-went-back')!
  expect(back.count).toBe(19)
  expect(back.examples.map(({ offset }) => offset)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]) // the farthest back is the worst
})

test('an example shows who wrote, read and committed near it, and the faults of that moment, and nothing else', () => {
  const run = buildHistory()
  run.fault('start', 'long ago')
  run.wait(60_000)
  for (const offset of [0, 1, 20]) run.sent(`m-${offset}`, offset, { key: `k-${offset}` })
  run.fault('start', 'pause')
  run.assigned(A, 1)
  run.handled(A, 20)
  run.handled(A, 1)
  run.committed(A, 2, 1)
  const { around } = run.check().anomalies.find(({ type }) => type === 'commit-past-unfinished')!.examples[0]!
  const shown = around.map((event) => ('offset' in event ? `${event.f} ${event.offset}` : event.f))
  expect(shown).toEqual([
    'produce-ok 0',
    'produce-ok 1',
    'nemesis',
    'assign',
    'handler-begin 1',
    'handler-end 1',
    'commit-invoke 2',
    'commit-ok 2',
  ])
})

test('refuses a history that contradicts itself: an answer to what was never asked', () => {
  const run = buildHistory()
  run.assigned(A, 1)
  run.commitEnded(A, 1, 1, 'ok')
  expect(() => run.check()).toThrow('consumer-1#1:1 answers a commit that was never invoked')

  const sends = buildHistory()
  sends.by(A, { f: 'produce-fail', value: 'm-0', code: 'c' })
  expect(() => sends.check()).toThrow('consumer-1#1:0 ends a send that never began')
})

test('judges a long history that is broken by its first record at every commit', () => {
  const run = buildHistory()
  run.assigned(A, 1)
  const records = 5_000
  for (let offset = 0; offset < records; offset += 1) {
    run.sent(`m-${offset}`, offset, { key: `k-${offset % 8}` })
    run.delivered(A, offset)
    if (offset > 0) run.handled(A, offset) // one hole at the beginning makes every commit a bad one
    run.committed(A, offset + 1, 1)
  }
  const { anomalies } = run.check()
  expect(anomalies.map(({ type, count }) => [type, count])).toEqual([
    ['lost', 1],
    ['commit-past-unfinished', records],
  ])
})

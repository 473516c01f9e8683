import { expect, test } from 'vitest'
import { buildHistory } from '../checker/history-builder.ts'
import { neverSeen } from './never-seen.ts'

const nothing = { check: buildHistory({}).check() }
const seeing = (counters: Partial<(typeof nothing)['check']['counters']>) => ({
  check: { ...nothing.check, counters: { ...nothing.check.counters, ...counters } },
})

test('a whole run that never saw a stale commit refused, or a dead letter after a crash, has shown nothing about them', () => {
  const some = seeing({ rebalanceWithWorkInFlight: 1, dedupeHit: 2 })
  expect(neverSeen([some, nothing, { check: null }], true)).toEqual([
    'refusedStaleCommit or refusedStaleWork or zombieEffectBlocked',
    'parkAfterCrash',
  ])
})

test('what one scenario has seen counts for the run, and a run of some scenarios need not see all', () => {
  const all = seeing({
    rebalanceWithWorkInFlight: 1,
    dedupeHit: 1,
    parkAfterCrash: 1,
  })
  expect(neverSeen([nothing, all, seeing({ zombieEffectBlocked: 1 })], true)).toEqual([])
  expect(neverSeen([nothing, all, seeing({ refusedStaleCommit: 1 })], true)).toEqual([])
  expect(neverSeen([nothing], false)).toEqual([])
})

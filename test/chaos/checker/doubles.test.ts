import { expect, test } from 'vitest'
import type { HistoryBuilder } from './history-builder.ts'
import { buildHistory, GROUP } from './history-builder.ts'

const A = 'consumer-1#1'
const B = 'consumer-2#1'

/** A run whose only message is handled by one process, and again by another; what lies in between explains it, or not. */
function handledAgain(between: (run: HistoryBuilder) => void, options: { readonly firstEnds?: 'ok' | 'failed' } = {}) {
  const run = buildHistory({ allowedExits: [0, 'SIGKILL'], group: { effects: 'once-but-for-windows' } })
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.began(A, 0)
  run.effect(A, 0)
  run.ended(A, 0, options.firstEnds ?? 'ok')
  between(run)
  run.assigned(B, 1)
  run.handled(B, 0)
  run.committed(B, 1, 1)
  return run
}

function marked(run: HistoryBuilder, proc: string, value = 'm-0'): void {
  run.by(proc, { f: 'store', group: GROUP, operation: 'complete', value, result: 'ok' })
}

test('I7: a mark that a store has acknowledged lets no second effect through, whoever died since', () => {
  const run = handledAgain((between) => {
    marked(between, A)
    between.exits(A, 'SIGKILL')
  })
  expect(run.found()).toEqual(['I7 effect-after-mark'])
})

test('I7: a second effect that nothing came before is one too many', () => {
  expect(handledAgain(() => {}).found()).toEqual(['I7 effect-repeated'])
})

test('I7 allows a second effect where a process was killed before its mark, and counts it', () => {
  const run = handledAgain((between) => between.exits(A, 'SIGKILL'))
  expect(run.found()).toEqual([])
  expect(run.check().counters).toMatchObject({ doubledByKill: 1, doubledByLoss: 0 })
})

test('I7: an end in order explains nothing, since a process that is stopped marks what it has handled', () => {
  expect(handledAgain((between) => between.exits(A, 0)).found()).toEqual(['I7 effect-repeated'])
})

test('I7 allows a second effect where the store has forgotten the mark, and counts it', () => {
  const run = handledAgain((between) => {
    marked(between, A)
    between.by('machine', { f: 'store-loss' })
  })
  expect(run.found()).toEqual([])
  expect(run.check().counters).toMatchObject({ doubledByKill: 0, doubledByLoss: 1 })
})

test('I7: a store that fails over forgets what its replica had not seen, and nothing older', () => {
  const lossSince = (isOlder: boolean) =>
    handledAgain((between) => {
      const before = between.events.at(-1)!.t
      marked(between, A)
      between.by('machine', { f: 'store-loss', since: isOlder ? before : before + 5_000 })
    }).found()
  expect(lossSince(true)).toEqual([])
  expect(lossSince(false)).toEqual(['I7 effect-after-mark'])
})

test('I7: what was forgotten before the mark was made, or is forgotten after the second call began, explains nothing', () => {
  const before = handledAgain((between) => {
    between.by('machine', { f: 'store-loss' })
    marked(between, A)
  })
  expect(before.found()).toEqual(['I7 effect-after-mark'])
  const after = handledAgain((between) => marked(between, A))
  after.by('machine', { f: 'store-loss' })
  expect(after.found()).toEqual(['I7 effect-after-mark'])
})

test('I7 allows a second effect where the partition was lost before the mark', () => {
  expect(handledAgain((between) => between.lost(A, 1)).found()).toEqual([])
})

test('I7 allows a second effect where the handler failed after its effect: a store knows of outcomes, not of effects', () => {
  expect(handledAgain(() => {}, { firstEnds: 'failed' }).found()).toEqual([])
})

test('I7: a mark of another process, or of another message, stands for nothing', () => {
  const run = handledAgain((between) => {
    marked(between, B)
    marked(between, A, 'm-1')
    between.exits(A, 'SIGKILL')
  })
  expect(run.found()).toEqual([])
})

test('I7: with an inbox there is one effect, whatever died, was lost or forgotten in between', () => {
  const run = buildHistory({ allowedExits: [0, 'SIGKILL'], group: { effects: 'exactly-once', inbox: true } })
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.handled(A, 0)
  run.by('machine', { f: 'store-loss' })
  run.exits(A, 'SIGKILL')
  run.assigned(B, 1)
  run.handled(B, 0)
  run.by(B, { f: 'handled', group: GROUP, topic: 'orders', partition: 0, offset: 0n })
  run.committed(B, 1, 1)
  expect(run.found()).toEqual(['I7 effect-doubled'])
})

test('I3: in an inbox a handler that has ended well has done nothing until its transaction is committed', () => {
  const committedBefore = (isHandled: boolean): readonly string[] => {
    const run = buildHistory({ group: { effects: 'exactly-once', inbox: true } })
    run.sent('m-0', 0)
    run.assigned(A, 1)
    run.handled(A, 0)
    if (isHandled) run.by(A, { f: 'handled', group: GROUP, topic: 'orders', partition: 0, offset: 0n })
    run.committed(A, 1, 1)
    if (!isHandled) run.by(A, { f: 'handled', group: GROUP, topic: 'orders', partition: 0, offset: 0n })
    return run.found()
  }
  expect(committedBefore(true)).toEqual([])
  expect(committedBefore(false)).toEqual(['I3 commit-past-unfinished'])
})

test('I1: a message that an inbox says to have handled, and of which the database has no row, is lost', () => {
  const run = buildHistory({ group: { effects: 'exactly-once', inbox: true } })
  run.sent('m-0', 0)
  run.assigned(A, 1)
  run.began(A, 0)
  run.ended(A, 0, 'ok')
  run.by(A, { f: 'handled', group: GROUP, topic: 'orders', partition: 0, offset: 0n })
  run.committed(A, 1, 1)
  expect(run.found()).toEqual(['I1 lost'])
})

test('counts what proves that a fault has bitten: pauses, transactions that were repeated, commits that their mark has proven', () => {
  const run = buildHistory({ group: { effects: 'exactly-once', inbox: true } })
  const call = { f: 'store', group: GROUP, operation: 'handle', value: 'm-0' } as const
  run.assigned(A, 1)
  run.by(A, { f: 'paused', group: GROUP, topic: 'orders', partition: 0, reason: 'the database is out' })
  run.by(A, { ...call, result: 'failed', code: '57P01', tries: 1 })
  run.by(A, { ...call, result: 'ok', tries: 3 })
  run.by(A, { ...call, result: 'own', tries: 0 })
  expect(run.check().counters).toMatchObject({ paused: 1, transactionRepeated: 1, commitFoundByMark: 1 })
})

import { expect, test } from 'vitest'
import { buildHistory, PARTITION, type HistoryBuilder } from './history-builder.ts'

const A = 'consumer-1#1'
const RETRY = { maxAttempts: 3, initialDelayMs: 100, factor: 2, maxDelayMs: 150, jitter: 0.2 }

function failing(body: (run: HistoryBuilder) => void): readonly string[] {
  const run = buildHistory({ group: { retry: { ...RETRY, neverRetried: ['FATAL'] } } })
  run.sent('m-0', 0)
  run.assigned(A, 1)
  body(run)
  run.effect(A, 0)
  run.ended(A, 0, 'ok')
  run.committed(A, 1, 1)
  return run.found()
}

function fails(run: HistoryBuilder, attempt: number, delayMs?: number, code?: string): void {
  run.began(A, 0, { attempt })
  run.ended(A, 0, 'failed', { attempt })
  if (delayMs === undefined) return
  const wait = { ...PARTITION, offset: 0n, attempt, delayMs, ...(code !== undefined && { code }) }
  run.by(A, { f: 'retry', ...wait })
  run.wait(delayMs)
}

test('I8 is kept by waits within the jitter, the cap included, each waited for to its end', () => {
  const found = failing((run) => {
    fails(run, 1, 80)
    fails(run, 2, 150)
    run.began(A, 0, { attempt: 3 })
  })
  expect(found).toEqual([])
})

test.each([79, 121])('I8: a first wait of %i ms is outside of 100 ms and a jitter of a fifth', (delayMs) => {
  const found = failing((run) => {
    fails(run, 1, delayMs)
    run.began(A, 0, { attempt: 2 })
  })
  expect(found).toEqual(['I8 wait-out-of-bounds'])
})

test('I8: the cap bounds the jitter too', () => {
  const found = failing((run) => {
    fails(run, 1, 100)
    fails(run, 2, 151)
    run.began(A, 0, { attempt: 3 })
  })
  expect(found).toEqual(['I8 wait-out-of-bounds'])
})

test('I8: there are no more attempts than allowed, and no wait after the last', () => {
  const found = failing((run) => {
    fails(run, 1)
    fails(run, 2)
    fails(run, 3, 150)
    run.began(A, 0, { attempt: 4 })
  })
  expect(found).toEqual(['I8 retried-after-last', 'I8 too-many-attempts'])
})

test('I8 counts without gaps within an epoch; the next one begins again or goes on', () => {
  const gap = failing((run) => {
    fails(run, 1)
    run.began(A, 0, { attempt: 3 })
  })
  expect(gap).toEqual(['I8 attempt-left-out'])

  const again = failing((run) => {
    fails(run, 1, 100)
    run.revoked(A, 1)
    run.assigned(A, 2)
    run.began(A, 0, { epoch: 2 })
    run.ended(A, 0, 'failed', { epoch: 2 })
    run.revoked(A, 2)
    run.assigned(A, 1)
    run.began(A, 0)
  })
  expect(again).toEqual([])

  const goesOn = failing((run) => {
    fails(run, 1)
    run.revoked(A, 1)
    run.assigned(A, 2)
    run.began(A, 0, { epoch: 2, attempt: 3 }) // a store counted the one of another process
    run.ended(A, 0, 'failed', { epoch: 2, attempt: 3 })
    run.revoked(A, 2)
    run.assigned(A, 1)
    run.began(A, 0)
  })
  expect(goesOn).toEqual([])
})

test('I8: a wait is not cut short', () => {
  const found = failing((run) => {
    run.began(A, 0)
    run.ended(A, 0, 'failed')
    run.by(A, { f: 'retry', ...PARTITION, offset: 0n, attempt: 1, delayMs: 100 })
    run.wait(50)
    run.began(A, 0, { attempt: 2 })
  })
  expect(found).toEqual(['I8 wait-cut-short'])
})

test('I8: an error that is parked at once is not retried', () => {
  const retried = (code: string): readonly string[] =>
    failing((run) => {
      fails(run, 1, 100, code)
      run.began(A, 0, { attempt: 2 })
    })
  expect(retried('FATAL')).toEqual(['I8 fatal-retried'])
  expect(retried('TIMEOUT')).toEqual([])
})

import { expect, test } from 'vitest'
import { buildOutbox } from './outbox-builder.ts'

const [A, B] = ['relay-1#1', 'relay-2#1']

test('I5: an epoch of a bucket is one worker’s', () => {
  const run = buildOutbox()
  run.takes(A, 1)
  run.loses(A, 1)
  run.takes(B, 1)
  expect(run.found()).toEqual(['I5 epoch-given-twice'])
})

test('I5 is kept when a bucket goes from one to the other with a new epoch', () => {
  const run = buildOutbox()
  run.takes(A, 1)
  run.releases(A, 1)
  run.takes(B, 2)
  run.takes(A, 1, 'another')
  expect(run.found()).toEqual([])
})

test('I5: a bucket is not given back while a row of it is under way, or not marked', () => {
  const early = buildOutbox()
  early.committed('m-1')
  early.takes(A, 1)
  const batch = early.sends(A, 'm-1')
  early.releases(A, 1)
  early.acked(A, batch, ['m-1'])
  early.marked(A, 'm-1')
  expect(early.found()).toEqual(['I5 released-under-way'])

  const unmarked = buildOutbox()
  unmarked.committed('m-1')
  unmarked.takes(A, 1)
  unmarked.acked(A, unmarked.sends(A, 'm-1'), ['m-1'])
  unmarked.releases(A, 1)
  expect(unmarked.found()).toEqual(['I5 released-under-way'])
})

test('I5 is kept when all was marked, or had failed, before', () => {
  const run = buildOutbox()
  run.committed('m-1')
  run.committed('m-2')
  run.takes(A, 1)
  run.relayed(A, 'm-1')
  run.failed(A, run.sends(A, 'm-2'), 'HOLDFAST_UNAVAILABLE')
  run.releases(A, 1)
  run.takes(B, 2)
  run.relayed(B, 'm-2')
  expect(run.found()).toEqual([])
})

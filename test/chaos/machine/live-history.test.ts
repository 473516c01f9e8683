import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openJournal } from '../history/index.ts'
import type { Journal } from '../history/index.ts'
import { followHistory } from './live-history.ts'

const GROUP = { group: 'g', topic: 't' } as const
const NEVER = new AbortController().signal

test('follows journals while they grow: what is acknowledged, what has an outcome, and who owns what', async () => {
  const { folder, open } = openFolder()
  const live = followHistory(folder)
  const producer = open('producer-1#1')
  producer.write({ f: 'produce-ok', value: 'm-1', topic: 't', partition: 0, offset: 0n })
  const consumer = open('consumer-1#1')
  consumer.write({ f: 'assign', ...GROUP, partition: 0, epoch: 1 })
  consumer.write({ f: 'assign', ...GROUP, partition: 1, epoch: 1 })
  await live.until('two assignments', () => live.owners.size === 2, 5_000, NEVER)
  expect(live.acked).toBe(1)

  const end = { ...GROUP, partition: 0, key: 'k', value: 'm-1', attempt: 1 } as const
  consumer.write({ f: 'handler-end', ...end, offset: 0n, result: 'failed' })
  consumer.write({ f: 'handler-end', ...end, offset: 0n, result: 'ok' })
  consumer.write({ f: 'revoke', ...GROUP, partition: 1, epoch: 1 })
  await live.until('the revocation', () => live.owners.size === 1, 5_000, NEVER)
  expect(live.outcomes).toBe(1)
  expect([
    live.count('handler-end'),
    live.count('handler-end', 'consumer-1#1'),
    live.count('handler-end', 'x'),
  ]).toEqual([2, 2, 0])
})

test('knows which relay has each bucket, and what is on the log', async () => {
  const { folder, open } = openFolder()
  const live = followHistory(folder)
  const [one, two] = [open('relay-1#1'), open('relay-2#1')]
  for (const bucket of [0, 1, 2]) one.write({ f: 'bucket', change: 'taken', bucket, epoch: 1n })
  one.write({ f: 'relay-answer', batch: 1, acked: ['m-1', 'm-2'], offsets: ['0', '1'] })
  await live.until('two messages', () => live.relayed.size === 2, 5_000, NEVER)
  expect(live.relayed.has('m-2')).toBe(true)
  one.write({ f: 'bucket', change: 'released', bucket: 2, epoch: 1n })
  two.write({ f: 'bucket', change: 'taken', bucket: 1, epoch: 2n })
  await live.until('one that is free', () => live.buckets.size === 2, 5_000, NEVER)
  // The first one hears late that it has lost a bucket, which is the other's by now.
  one.write({ f: 'bucket', change: 'lost', bucket: 1, epoch: 1n })
  open('machine').write({ f: 'stop', role: 'relay', of: 'relay-1#1', signal: 'SIGKILL' })
  await live.until('one that is left', () => live.buckets.size === 1, 5_000, NEVER)
  expect(live.buckets.get(1)).toBe('relay-2#1')
})

test('what two relays say of a bucket is put in the order of its epochs, in whatever order their journals are read', async () => {
  const { folder, open } = openFolder()
  const live = followHistory(folder)
  const [first, second] = [open('relay-1#1'), open('relay-2#1')]
  second.write({ f: 'bucket', change: 'taken', bucket: 0, epoch: 1n })
  second.write({ f: 'bucket', change: 'lost', bucket: 0, epoch: 1n })
  first.write({ f: 'bucket', change: 'taken', bucket: 0, epoch: 2n })
  await live.until('that it is read', () => live.count('bucket') === 3, 5_000, NEVER)
  expect(live.buckets.get(0)).toBe('relay-1#1')
})

test('a process that is found dead owns nothing any more, whoever says so', async () => {
  const { folder, open } = openFolder()
  const live = followHistory(folder)
  open('consumer-1#1').write({ f: 'assign', ...GROUP, partition: 0, epoch: 1 })
  await live.until('an owner', () => live.owners.get('t[0]') === 'consumer-1#1', 5_000, NEVER)
  open('machine').write({ f: 'stop', role: 'consumer', of: 'consumer-1#1', signal: 'SIGKILL' })
  await live.until('nobody', () => live.owners.size === 0, 5_000, NEVER)
  expect(live.count('stop')).toBe(1)
  expect(live.health.size).toBe(0)
})

test('a topic that is made anew begins at its first offset, and the others stay where they were', async () => {
  const { folder, open } = openFolder()
  const live = followHistory(folder)
  const producer = open('producer-1#1')
  producer.write({ f: 'produce-ok', value: 'm-1', topic: 't', partition: 0, offset: 41n })
  producer.write({ f: 'produce-ok', value: 'm-2', topic: 'u', partition: 0, offset: 7n })
  live.beginAnew('t')
  expect([...live.ackedUpTo]).toEqual([['u[0]', 7n]])
  producer.write({ f: 'produce-ok', value: 'm-3', topic: 't', partition: 0, offset: 0n })
  live.look()
  expect(live.ackedUpTo.get('t[0]')).toBe(0n)
})

test('what does not come is named when the patience is over, and a stopped run waits for nothing', async () => {
  const live = followHistory(openFolder().folder)
  await expect(live.until('the impossible', () => false, 0, NEVER)).rejects.toThrow(
    'the impossible did not happen within 0 s',
  )
  await expect(live.until('anything', () => true, 0, AbortSignal.abort(new Error('stopped')))).rejects.toThrow(
    'stopped',
  )
})

function openFolder(): { readonly folder: string; open(proc: string): Journal } {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-live-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return {
    folder,
    open(proc) {
      const journal = openJournal(join(folder, `${proc}.jsonl`), proc)
      onTestFinished(() => journal.close())
      return journal
    },
  }
}

test('tells by which codes calls of a store have failed, so that a scenario knows whether its fault has reached one', async () => {
  const { folder, open } = openFolder()
  const live = followHistory(folder)
  const call = { f: 'store', group: 'g', operation: 'begin', value: 'm-1' } as const
  const consumer = open('consumer-1#1')
  consumer.write({ ...call, result: 'failed', code: 'LOADING' })
  consumer.write({ ...call, result: 'failed', code: 'LOADING' })
  consumer.write({ ...call, operation: 'complete', result: 'ok' })
  await live.until('three calls', () => live.count('store') === 3, 5_000, NEVER)
  expect([...live.storeFailures]).toEqual([['LOADING', 2]])
})

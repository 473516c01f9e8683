import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openJournal, readHistory, type EventBody } from './index.ts'

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'holdfast-history-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const record = { group: 'g', topic: 'orders', partition: 1, offset: 2n ** 60n }

test('reads back what was written, offsets above 2^53 included, with a stamp on each event', () => {
  const written: EventBody[] = [
    { f: 'assign', group: 'g', topic: 'orders', partition: 1, epoch: 1, start: 5n },
    { f: 'handler-end', ...record, key: null, value: 'm-1', attempt: 1, result: 'ok' },
    { f: 'commit-invoke', ...record, epoch: 1, metadata: 'hf1:x', ranges: [[2n ** 60n + 2n, 2n ** 60n + 4n]] },
    { f: 'stop', role: 'consumer', exitCode: null, signal: 'SIGKILL' },
  ]
  write('consumer-1#1', written)

  const events = readHistory(folder)
  expect(events).toMatchObject(written)
  expect(events.map(({ i }) => i)).toEqual([0, 1, 2, 3])
  expect(events.every(({ proc, t }) => proc === 'consumer-1#1' && t > 0)).toBe(true)
})

test('merges processes by time, then by name, then by counter, so that two readings agree', () => {
  put('b.jsonl', line({ i: 0, t: 5, proc: 'b' }), line({ i: 1, t: 7, proc: 'b' }), line({ i: 2, t: 7, proc: 'b' }))
  put('a.jsonl', line({ i: 0, t: 6, proc: 'a' }), line({ i: 1, t: 7, proc: 'a' }))
  expect(readHistory(folder).map(({ proc, i }) => `${proc}${i}`)).toEqual(['b0', 'a0', 'a1', 'b1', 'b2'])
})

test('has everything that a process wrote before SIGKILL, since nothing is buffered', () => {
  const file = join(folder, 'consumer-1#1.jsonl')
  const child = spawnSync(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'killed-writer.ts'), file])
  expect(child.signal).toBe('SIGKILL')
  expect(readHistory(folder).map((event) => event.f)).toEqual(['start', 'park'])
})

test('drops the last line when a kill has torn it, wherever that was', () => {
  const whole = line({ i: 0, t: 1, proc: 'a' })
  const last = line({ i: 1, t: 2, proc: 'a' }).trimEnd()
  for (let length = 0; length < last.length; length += 1) {
    put('a.jsonl', whole, last.slice(0, length))
    expect(readHistory(folder)).toHaveLength(1)
  }
  put('a.jsonl', whole, last) // only the end of the line is missing: the event is whole
  expect(readHistory(folder)).toHaveLength(2)
})

test('refuses a torn line in the middle: a history with holes proves nothing', () => {
  put('a.jsonl', line({ i: 0, t: 1, proc: 'a' }), '{"i":1,"t":\n', line({ i: 2, t: 3, proc: 'a' }))
  expect(() => readHistory(folder)).toThrow('a.jsonl:2 is not JSON')
})

test('refuses a file in which an event is missing, and one that two incarnations have written', () => {
  put('a.jsonl', line({ i: 0, t: 1, proc: 'a' }), line({ i: 2, t: 3, proc: 'a' }))
  expect(() => readHistory(folder)).toThrow('a.jsonl:2 is event 2, and 1 was to come')
  put('a.jsonl')
  write('a', [{ f: 'start', role: 'producer' }])
  write('a', [{ f: 'start', role: 'producer' }])
  expect(() => readHistory(folder)).toThrow('a.jsonl:2 is event 0, and 1 was to come')
})

test.each([
  ['an unknown kind', { f: 'produce' }, 'f is "produce"'],
  ['no kind', { f: undefined }, 'f is undefined'],
  [
    'an offset as a number',
    { f: 'produce-ok', value: 'v', topic: 't', partition: 0, offset: 7 },
    'offset is not offset',
  ],
  ['a missing field', { f: 'produce-fail', value: 'v' }, 'code is not text'],
  ['half a range', { ...commit(), ranges: [['1']] }, 'ranges is not ranges'],
  ['a time with a fraction', { f: 'start', role: 'machine', t: 1.5 }, 'i and t are whole numbers'],
])('refuses %s, and says where', (_, body, problem) => {
  put('a.jsonl', line({ i: 0, t: 1, proc: 'a' }), line({ i: 1, t: 2, proc: 'a', ...body }))
  expect(() => readHistory(folder)).toThrow(`a.jsonl:2 is not an event: ${problem}`)
})

test('reads no file but journals, so that a report may stand beside them', () => {
  put('report.txt', 'not a journal')
  expect(readHistory(folder)).toEqual([])
})

function write(proc: string, events: readonly EventBody[]): void {
  const journal = openJournal(join(folder, `${proc}.jsonl`), proc)
  for (const event of events) journal.write(event)
  journal.close()
}

function put(name: string, ...lines: readonly string[]): void {
  writeFileSync(join(folder, name), lines.join(''))
}

function line(event: Record<string, unknown>): string {
  return `${JSON.stringify({ f: 'start', role: 'consumer', ...event })}\n`
}

function commit(): Record<string, unknown> {
  return { f: 'commit-invoke', group: 'g', topic: 't', partition: 0, offset: '1', epoch: 1 }
}

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DeadLetterRequest } from '../../src/dlq/build-dead-letter.ts'
import { buildDeadLetter, MAX_MESSAGE_BYTES, MAX_STACK_BYTES } from '../../src/dlq/build-dead-letter.ts'
import { readDeadLetter } from '../../src/dlq/index.ts'
import type { Headers, InboundRecord, OutboundRecord } from '../../src/record/index.ts'
import { headerText } from '../../src/record/index.ts'

const text = (value: string): Uint8Array => Buffer.from(value)
const target = { topic: 'orders.dlq', partition: 3, nowMs: 1_767_225_600_000 }

function request(record: Partial<InboundRecord> = {}, more: Partial<DeadLetterRequest> = {}): DeadLetterRequest {
  return {
    record: {
      topic: 'orders',
      partition: 3,
      offset: 4_711n,
      key: text('k'),
      value: text('v'),
      headers: [],
      timestamp: 1_700_000_000_000n,
      ...record,
    },
    failure: {
      reason: 'handler-failed',
      attempts: 4,
      firstFailedAt: 1_767_225_590_000,
      lastFailedAt: 1_767_225_600_000,
      error: {
        name: 'Declined',
        code: 'E_DECLINED',
        message: 'card declined',
        stack: 'Declined: card declined\n  at pay',
      },
    },
    groupId: 'payment',
    messageId: 'm-1',
    trusted: false,
    traceHeaders: [],
    ...more,
  }
}

const inbound = (letter: OutboundRecord, offset = 9n): InboundRecord => ({ ...letter, offset })

test('what is parked reads back: origin, failure, and the record’s own bytes', () => {
  const headers: Headers = [
    ['a', text('1')],
    ['__proto__', text('p')],
    ['a', null],
    ['', text('')],
  ]
  const letter = buildDeadLetter(request({ headers }), target)
  expect(readDeadLetter(inbound(letter))).toEqual({
    origin: { topic: 'orders', partition: 3, offset: 4_711n },
    timestamp: new Date(1_700_000_000_000),
    messageId: 'm-1',
    groupId: 'payment',
    attempts: 4,
    firstFailedAt: new Date('2025-12-31T23:59:50.000Z'),
    lastFailedAt: new Date('2026-01-01T00:00:00.000Z'),
    reason: 'handler-failed',
    error: {
      name: 'Declined',
      code: 'E_DECLINED',
      message: 'card declined',
      stack: 'Declined: card declined\n  at pay',
    },
    key: text('k'),
    value: text('v'),
    headers,
  })
})

test('its own timestamp is now, so that retention does not delete the letter of an old record at once', () => {
  expect(buildDeadLetter(request(), target).timestamp).toBe(1_767_225_600_000n)
})

test('a tombstone and an empty value stay two things', () => {
  expect(buildDeadLetter(request({ value: null, key: null }), target)).toMatchObject({ value: null, key: null })
  expect(buildDeadLetter(request({ value: text('') }), target).value).toEqual(text(''))
})

test('error texts are cut by bytes, at a character, so that no header grows with what was thrown', () => {
  const error = { name: 'E'.repeat(999), message: '€'.repeat(5_000), stack: `x${'😀'.repeat(5_000)}` }
  const { headers } = buildDeadLetter(request({}, { failure: { ...request().failure, error } }), target)
  const message = headerText(headers, 'holdfast-dlq-error-message')!
  const stack = headerText(headers, 'holdfast-dlq-error-stack')!
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
  expect(Buffer.byteLength(message)).toBeGreaterThan(MAX_MESSAGE_BYTES - 4)
  expect(message).toBe(`${'€'.repeat(340)}…`)
  expect(Buffer.byteLength(stack)).toBeLessThanOrEqual(MAX_STACK_BYTES)
  expect(stack.endsWith('😀…')).toBe(true)
})

test('law: whatever an error says, its headers are UTF-8 within their bounds', () => {
  const anyText = fc.string({ unit: 'binary', maxLength: 12_000, size: 'max' })
  fc.assert(
    fc.property(anyText, anyText, (message, stack) => {
      const { headers } = buildDeadLetter(
        request({}, { failure: { ...request().failure, error: { name: 'E', message, stack } } }),
        target,
      )
      const read = (name: string): string => headerText(headers, name)!
      expect(read('holdfast-dlq-error-message').isWellFormed()).toBe(true)
      expect(Buffer.byteLength(read('holdfast-dlq-error-message'))).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
      expect(Buffer.byteLength(read('holdfast-dlq-error-stack'))).toBeLessThanOrEqual(MAX_STACK_BYTES)
      expect(message.toWellFormed().startsWith(read('holdfast-dlq-error-message').replace(/…$/, ''))).toBe(true)
    }),
    { numRuns: 20 },
  )
})

test('less detail drops the stack, then the message, and never a byte of the record', () => {
  const names = (detail: 'full' | 'no-stack' | 'no-message'): string[] =>
    buildDeadLetter(request(), target, detail).headers.map(([name]) => name)
  expect(names('full')).toContain('holdfast-dlq-error-stack')
  expect(names('no-stack')).not.toContain('holdfast-dlq-error-stack')
  expect(names('no-stack')).toContain('holdfast-dlq-error-message')
  expect(names('no-message')).not.toContain('holdfast-dlq-error-message')
  expect(buildDeadLetter(request(), target, 'no-message').value).toEqual(text('v'))
})

test('parked again from a topic of ours, it keeps its first origin and tells its last failure', () => {
  const first = inbound(buildDeadLetter(request(), target))
  const failure = {
    ...request().failure,
    reason: 'parked-by-handler',
    attempts: 1,
    lastFailedAt: 1_767_229_200_000,
    error: { name: 'park', message: 'give up' },
  } as const
  const again = buildDeadLetter(
    request({ ...first, topic: 'orders.dlq' }, { trusted: true, failure, groupId: 'monitor' }),
    { ...target, topic: 'graveyard' },
  )
  expect(readDeadLetter(inbound(again))).toMatchObject({
    origin: { topic: 'orders', partition: 3, offset: 4_711n },
    firstFailedAt: new Date('2025-12-31T23:59:50.000Z'),
    lastFailedAt: new Date('2026-01-01T01:00:00.000Z'),
    groupId: 'monitor',
    attempts: 1,
    reason: 'parked-by-handler',
    error: { name: 'park', message: 'give up' },
  })
  expect(again.headers.filter(([name]) => name === 'holdfast-dlq-topic')).toHaveLength(1)
  expect(again.headers.map(([name]) => name)).not.toContain('holdfast-dlq-error-stack')
})

test('on a topic that others write, an origin in the headers is a forgery and is replaced', () => {
  const headers: Headers = [
    ['holdfast-dlq-topic', text('somebody-elses')],
    ['holdfast-dlq-offset', text('1')],
    ['holdfast-retry-attempt', text('1')], // carried along, it would stand on a topic of ours, and be believed there
    ['a', text('1')],
  ]
  const letter = readDeadLetter(inbound(buildDeadLetter(request({ headers }), target)))!
  expect(letter.origin).toEqual({ topic: 'orders', partition: 3, offset: 4_711n })
  expect(letter.headers).toEqual([['a', text('1')]])
})

test('the trace is carried on, unless the record carries its own: that one stays, and is not doubled', () => {
  const traceHeaders: Headers = [
    ['traceparent', text('ours')],
    ['tracestate', text('s')],
  ]
  const of = (headers: Headers): string[] =>
    buildDeadLetter(request({ headers }, { traceHeaders }), target)
      .headers.slice(0, 2)
      .map(([name, value]) => `${name} ${Buffer.from(value!).toString()}`)
  expect(of([])).toEqual(['traceparent ours', 'tracestate s'])
  expect(of([['traceparent', text('theirs')]])).toEqual(['traceparent theirs', 'tracestate s'])
})

test.each([
  ['no headers', []],
  [
    'a negative offset',
    [
      ['holdfast-dlq-topic', 'o'],
      ['holdfast-dlq-partition', '0'],
      ['holdfast-dlq-offset', '-1'],
    ],
  ],
  [
    'an offset in hexadecimal',
    [
      ['holdfast-dlq-topic', 'o'],
      ['holdfast-dlq-partition', '0'],
      ['holdfast-dlq-offset', '0x10'],
    ],
  ],
  [
    'an offset of thirty digits',
    [
      ['holdfast-dlq-topic', 'o'],
      ['holdfast-dlq-partition', '0'],
      ['holdfast-dlq-offset', '1'.repeat(30)],
    ],
  ],
  [
    'a partition beyond an int32',
    [
      ['holdfast-dlq-topic', 'o'],
      ['holdfast-dlq-partition', '2147483648'],
      ['holdfast-dlq-offset', '1'],
    ],
  ],
  [
    'an empty topic',
    [
      ['holdfast-dlq-topic', ''],
      ['holdfast-dlq-partition', '0'],
      ['holdfast-dlq-offset', '1'],
    ],
  ],
])('a record without a real origin is no dead letter: %s', (_, headers) => {
  const record = inbound(buildDeadLetter(request(), target))
  expect(
    readDeadLetter({ ...record, headers: headers.map(([name, value]) => [name!, text(value!)] as const) }),
  ).toBeNull()
})

test.each([
  ['-1', 0],
  ['3abc', 0],
  ['', 0],
  ['1e9', 0],
  ['99999999999', 1_000_000],
  ['7', 7],
])('attempts are a strict decimal, within bounds: %s', (value, attempts) => {
  const { headers, ...rest } = inbound(buildDeadLetter(request(), target))
  const forged = headers.map(([name, old]) => [name, name === 'holdfast-dlq-attempts' ? text(value) : old] as const)
  expect(readDeadLetter({ ...rest, headers: forged })!.attempts).toBe(attempts)
})

test('law: reading never throws, whatever stands in the headers', () => {
  const names = [
    'holdfast-dlq-topic',
    'holdfast-dlq-partition',
    'holdfast-dlq-offset',
    'holdfast-dlq-timestamp',
    'holdfast-dlq-first-failed-at',
    'holdfast-dlq-attempts',
    '__proto__',
  ]
  const value = fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 30 }), fc.string({ maxLength: 30 }).map(text))
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), value)), (headers) => {
      expect(() => readDeadLetter({ ...inbound(buildDeadLetter(request(), target)), headers })).not.toThrow()
    }),
  )
})

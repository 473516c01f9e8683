import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Headers } from '../../src/record/index.ts'
import { textHeader } from '../../src/record/index.ts'
import { readTraceContext, traceContextHeaders } from '../../src/telemetry/index.ts'
import { lastHeaderText } from '../../src/telemetry/propagation.ts'

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('readTraceContext', () => {
  test('takes the last value of a repeated name, as the hop nearest to us wrote it', () => {
    const headers = [textHeader('traceparent', 'of an older hop'), textHeader('traceparent', TRACEPARENT)]
    expect(readTraceContext(headers)).toEqual({ traceparent: TRACEPARENT })
  })

  test('finds the name in any case, as other instrumentations write it', () => {
    expect(readTraceContext([textHeader('TraceParent', TRACEPARENT)])).toEqual({ traceparent: TRACEPARENT })
  })

  test('takes a later version with further fields, so that a newer sender is not cut off', () => {
    const later = TRACEPARENT.replace(/^00/, '01')
    expect(readTraceContext([textHeader('traceparent', `${later}-more`)])?.traceparent).toBe(`${later}-more`)
  })

  test.each([
    ['empty', ''],
    ['a trace id of zeros', '00-00000000000000000000000000000000-b7ad6b7169203331-01'],
    ['a span id of zeros', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01'],
    ['upper case', TRACEPARENT.toUpperCase()],
    ['version ff', TRACEPARENT.replace(/^00/, 'ff')],
    ['version 00 with a further field', `${TRACEPARENT}-more`],
    ['a line break at its end', `${TRACEPARENT}\n`],
    ['a later version of a thousand characters', `${TRACEPARENT.replace(/^00/, '01')}-${'a'.repeat(1_000)}`],
  ])('ignores a malformed traceparent: %s', (_, value) => {
    expect(readTraceContext([textHeader('traceparent', value)])).toBeUndefined()
  })

  test('ignores a null, a value that is not UTF-8 and a huge one, without throwing', () => {
    for (const value of [null, Uint8Array.of(0xff, 0xfe), Buffer.alloc(1 << 20, '0')]) {
      expect(readTraceContext([['traceparent', value]])).toBeUndefined()
    }
  })

  test('a value of more than 8,192 bytes is not even decoded: no W3C header may be longer', () => {
    expect(lastHeaderText([textHeader('baggage', 'a'.repeat(8_192))], 'baggage')).toHaveLength(8_192)
    expect(lastHeaderText([textHeader('baggage', 'a'.repeat(8_193))], 'baggage')).toBeUndefined()
  })

  test('leaves out a malformed tracestate and keeps the traceparent, which stands for itself', () => {
    for (const state of ['', 'a=\u0001', 'ä=1', `a=${'b'.repeat(600)}`]) {
      const headers = [textHeader('traceparent', TRACEPARENT), textHeader('tracestate', state)]
      expect(readTraceContext(headers)).toEqual({ traceparent: TRACEPARENT })
    }
  })

  test('writes back what it read, byte for byte', () => {
    const headers = [
      textHeader('traceparent', TRACEPARENT),
      textHeader('tracestate', 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7'),
    ]
    expect(traceContextHeaders(readTraceContext(headers)!)).toEqual(headers)
  })

  test('never throws, and takes nothing malformed, whatever the headers hold', () => {
    const anyHeaders: fc.Arbitrary<Headers> = fc.array(
      fc.tuple(
        fc.oneof(
          fc.constantFrom('traceparent', 'tracestate', 'Traceparent', '__proto__'),
          fc.string({ unit: 'binary' }),
        ),
        fc.option<Uint8Array>(fc.uint8Array()),
      ),
    )
    fc.assert(
      fc.property(anyHeaders, (headers) => {
        expect(readTraceContext(headers)?.traceparent ?? TRACEPARENT).toMatch(
          /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/,
        )
      }),
    )
  })
})

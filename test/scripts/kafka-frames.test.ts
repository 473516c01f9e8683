import { expect, test } from 'vitest'
import { createFrameSplitter, readCorrelationId, readRequestHeader } from '../../scripts/services/kafka-frames.ts'

const FIRST = Buffer.from('00000003616263', 'hex') // size 3, "abc"
const SECOND = Buffer.from('000000026465', 'hex') // size 2, "de"
const EMPTY = Buffer.from('00000000', 'hex')

test('cuts several frames out of one chunk and keeps their sizes, so that they can be passed on as they are', () => {
  expect(createFrameSplitter().push(Buffer.concat([FIRST, EMPTY, SECOND]))).toEqual([FIRST, EMPTY, SECOND])
})

test('puts frames together again wherever TCP has split them, in the middle of a size too', () => {
  const stream = Buffer.concat([FIRST, SECOND, FIRST])
  for (let cut = 1; cut <= 7; cut++) {
    const splitter = createFrameSplitter()
    const frames: Buffer[] = []
    for (let at = 0; at < stream.length; at += cut) frames.push(...splitter.push(stream.subarray(at, at + cut)))
    expect(frames, `chunks of ${cut}`).toEqual([FIRST, SECOND, FIRST])
  }
})

test('refuses sizes that Kafka never sends, so that a stream of other bytes is not buffered for ever', () => {
  expect(() => createFrameSplitter().push(Buffer.from('ffffffff', 'hex'))).toThrow(RangeError)
  expect(() => createFrameSplitter().push(Buffer.from('GET / HTTP/1.1'))).toThrow(RangeError)
})

test('reads the api key, version and correlation id of a request, and the correlation id of a response', () => {
  const request = Buffer.from('0000000a' + '0000' + '0007' + '00000029' + 'ffff', 'hex')
  expect(readRequestHeader(request)).toEqual({ apiKey: 0, apiVersion: 7, correlationId: 41 })
  expect(readCorrelationId(Buffer.from('00000004' + '00000029', 'hex'))).toBe(41)
})

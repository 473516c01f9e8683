import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { endWhenSilent } from '../../../src/driver/kafkajs/consumer-silence.ts'
import { virtualRuntime } from '../../../src/testing/index.ts'

/** A frame as the broker answers it: its length, and so many bytes. */
function answer(bytes: number): Buffer {
  const frame = Buffer.alloc(4 + bytes)
  frame.writeInt32BE(bytes)
  return frame
}

/** A watched socket with a limit of 8 s; the frame `long` may take 60 s more, `token` has no answer that can be told. */
function setup() {
  const runtime = virtualRuntime()
  const ends: string[] = []
  const socket = Object.assign(new EventEmitter(), {
    write: () => true,
    destroy(error: Error & { code?: string }) {
      ends.push(`${error.code}: ${error.message}`)
      socket.emit('close')
    },
  })
  endWhenSilent(socket as unknown as Socket, {
    clock: runtime.clock,
    limitMs: 8_000,
    allowanceMs: (frame) => (frame === 'token' ? null : frame === 'long' ? 60_000 : 0),
  })
  const write = socket.write as (frame: string) => boolean
  return { runtime, socket, ends, write, data: (chunk: Buffer) => socket.emit('data', chunk) }
}

test('ends a connection on which a request stays unanswered, once', async () => {
  const { runtime, ends, write } = setup()
  write('heartbeat')
  await runtime.advance(7_900)
  expect(ends).toEqual([])
  await runtime.advance(30_000)
  expect(ends).toEqual(['ETIMEDOUT: no answer for 8000 ms'])
})

test('leaves a connection alone that has nothing to answer, for however long', async () => {
  const { runtime, ends, write, data } = setup()
  await runtime.advance(60_000)
  write('heartbeat')
  data(answer(10))
  await runtime.advance(60_000)
  write('token')
  await runtime.advance(60_000)
  expect(ends).toEqual([])
})

test('waits longer for what the broker may hold back, and for what stands behind it, since answers come in order', async () => {
  const { runtime, ends, write, data } = setup()
  write('long')
  write('heartbeat')
  await runtime.advance(66_000)
  expect(ends).toEqual([])
  data(answer(100))
  await runtime.advance(7_900)
  expect(ends).toEqual([])
  await runtime.advance(3_000)
  expect(ends).toHaveLength(1)
})

test('takes a large answer that comes in pieces for a sign of life, and for answered with its last byte', async () => {
  const { runtime, ends, write, data } = setup()
  write('fetch')
  const large = answer(1_000)
  for (const at of [0, 2, 4, 500]) {
    await runtime.advance(7_000)
    data(large.subarray(at, at === 500 ? 1_000 : { 0: 2, 2: 4, 4: 500 }[at]))
  }
  await runtime.advance(7_000)
  expect(ends).toEqual([])
  data(Buffer.concat([large.subarray(1_000), answer(0)]))
  await runtime.advance(60_000)
  expect(ends).toEqual([])
})

test('a process that was blocked for long reads first what came meanwhile: the time alone says nothing of the broker', async () => {
  const { runtime, ends, write, data } = setup()
  const monotonic = runtime.clock.monotonic.bind(runtime.clock)
  Object.assign(runtime.clock, { monotonic: () => monotonic() + 3_600_000 })
  write('heartbeat')
  await runtime.advance(2_100) // one step only, whatever the clock says
  expect(ends).toEqual([])
  data(answer(10))
  await runtime.advance(60_000)
  expect(ends).toEqual([])
})

test('stops watching with the connection', async () => {
  const { runtime, socket, ends, write } = setup()
  write('heartbeat')
  socket.emit('close')
  await runtime.advance(60_000)
  expect(ends).toEqual([])
})

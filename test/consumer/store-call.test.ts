import { expect, test } from 'vitest'
import { createStoreCalls } from '../../src/consumer/store-call.ts'
import { virtualRuntime } from '../../src/testing/index.ts'
import { failureOf } from '../helpers/failure-of.ts'

const never = (): Promise<never> => new Promise(() => {})
const unavailable = { code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true }

test('what a store answers in time comes out, what it rejects with too', async () => {
  const calls = createStoreCalls(virtualRuntime().clock, 1_000)
  const down = new Error('down')
  expect(await calls.inTime(Promise.resolve('answer'))).toBe('answer')
  await expect(calls.inTime(Promise.reject(down))).rejects.toBe(down)
})

test('each call has its own time from its beginning, though one timer serves them all: a call’s own would cost more than the call', async () => {
  const runtime = virtualRuntime()
  const calls = createStoreCalls(runtime.clock, 1_000)
  const given: string[] = []
  const ask = (name: string): void =>
    void calls.inTime(never()).catch((error: { code: string }) => given.push(`${name} ${error.code}`))
  ask('first')
  await runtime.advance(600)
  for (let i = 0; i < 100; i++) ask('later')
  expect(runtime.clock.pending).toBe(1)
  await runtime.advance(399)
  expect(given).toEqual([])
  await runtime.advance(1)
  expect(given).toEqual([`first ${unavailable.code}`])
  await runtime.advance(600)
  expect(given).toHaveLength(101)
  expect(runtime.clock.pending).toBe(0)
})

test('an answer that comes after the call was given up changes nothing', async () => {
  const runtime = virtualRuntime()
  const calls = createStoreCalls(runtime.clock, 1_000)
  let answer!: (value: string) => void
  const call = failureOf(calls.inTime(new Promise<string>((resolve) => (answer = resolve))))
  await runtime.advance(1_000)
  answer('late')
  expect(await call).toMatchObject(unavailable)
})

test('closed, it still gives up what never settles, or whoever waits for that would wait for ever; then it leaves no timer', async () => {
  const runtime = virtualRuntime()
  const calls = createStoreCalls(runtime.clock, 1_000)
  await calls.inTime(Promise.resolve())
  const call = failureOf(calls.inTime(never()))
  calls.close()
  await runtime.advance(1_000)
  expect(await call).toMatchObject(unavailable)
  expect(runtime.clock.pending).toBe(0)
})

test('closed with nothing under way, it leaves no timer', async () => {
  const runtime = virtualRuntime()
  const calls = createStoreCalls(runtime.clock, 60_000)
  await calls.inTime(Promise.resolve())
  calls.close()
  expect(runtime.clock.pending).toBe(0)
})

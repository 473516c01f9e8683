import { expect, test } from 'vitest'
import { createLock } from '../../src/idempotency/create-lock.ts'
import type { TakenLock } from '../../src/idempotency/held-lock.ts'
import { holdLock } from '../../src/idempotency/held-lock.ts'
import { virtualRuntime } from '../../src/testing/index.ts'
import { failureOf } from '../helpers/failure-of.ts'

/** A lock of a second, on a server that answers renewals as it is told. */
function world(renew: () => Promise<boolean> = async () => true) {
  const runtime = virtualRuntime()
  const said: string[] = []
  const taken: TakenLock = {
    token: 1n,
    sentAt: runtime.clock.monotonic(),
    renew() {
      said.push('renew')
      return renew()
    },
    giveBack: async () => void said.push('give back'),
    drop: () => void said.push('drop'),
  }
  return { runtime, said, taken, held: holdLock(taken, 1_200, runtime.clock) }
}

test('a process that stood still beyond its lease does not renew it, since it may be another’s, and is told', async () => {
  const { runtime, said, held } = world()
  runtime.clock.block(5_000)
  await runtime.advance(1)
  expect(said).toEqual(['drop'])
  expect(held.signal.reason).toMatchObject({ code: 'HOLDFAST_LOCK_LOST' })
})

test('a renewal that fails is tried again while there is time, and the lock is lost when none was confirmed by three quarters of the lease', async () => {
  let fails = true
  const { runtime, said, held } = world(() => (fails ? Promise.reject(new Error('no answer')) : Promise.resolve(true)))
  await runtime.advance(600)
  expect(said).toEqual(['renew', 'renew', 'renew']) // at 400, 500 and 600
  fails = false
  await runtime.advance(700)
  expect(held.signal.aborted).toBe(false)
  fails = true
  await runtime.advance(699) // the last one that was confirmed was sent at 1,100
  expect(held.signal.aborted).toBe(false)
  await runtime.advance(1)
  expect(held.signal.aborted).toBe(true)
})

test('nothing is renewed once it is given back or lost, and no timer is left behind', async () => {
  for (const end of ['release', 'lose'] as const) {
    const { runtime, said, held } = world(async () => end === 'release')
    if (end === 'release') await held.release()
    else await runtime.advance(400)
    said.length = 0
    await runtime.advance(60_000)
    expect(said).toEqual([])
    expect(runtime.clock.pending).toBe(0)
  }
})

test('a lock that is lost is not given back: the server has been told all there is to tell', async () => {
  const { runtime, said, held } = world(async () => false)
  await runtime.advance(400)
  await held.release()
  expect(said).toEqual(['renew', 'drop'])
})

test('a lock that comes when nobody waits for it any more is given back', async () => {
  const runtime = virtualRuntime()
  let give: (taken: TakenLock) => void = () => {}
  const server = {
    name: 'a slow server',
    take: () => new Promise<TakenLock>((resolve) => (give = resolve)),
    check: async () => {},
  }
  const lock = createLock(server, runtime)
  const { taken, said } = world()
  const ending = new AbortController()
  const ended = failureOf(lock.acquire('a', { signal: ending.signal }))
  ending.abort(new Error('the service ends'))
  expect((await ended).code).toBe('HOLDFAST_ABORTED')
  give(taken)
  await runtime.advance(1)
  expect(said).toEqual(['give back'])

  const slow = failureOf(lock.acquire('a', { leaseMs: 1_000 }))
  await runtime.advance(1_000)
  expect(await slow).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true })
  give(taken)
  await runtime.advance(1)
  expect(said).toEqual(['give back', 'give back'])
})

test('a lock whose answer took as long as the lease is lost at once: it may have ended on the server', async () => {
  const { runtime, taken } = world()
  await runtime.advance(900)
  const held = holdLock(taken, 1_200, runtime.clock)
  await runtime.advance(1)
  expect(held.signal.aborted).toBe(true)
})

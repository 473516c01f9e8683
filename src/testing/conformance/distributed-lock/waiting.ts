import assert from 'node:assert/strict'
import { assertRejects } from '../assertions.ts'
import type { DistributedLockCase } from './distributed-lock-case.ts'
import { assertBusy, held, name, settled } from './distributed-lock-case.ts'

/** Those who wait for a lock. */
export const waiting: readonly DistributedLockCase[] = [
  {
    promise: 'gives a lock to one who waits for it once it is given back, and not before',
    async hold(world, leaseMs) {
      const { lock, otherLock, tick } = world
      const one = await held(lock.acquire(name, { leaseMs }))
      let got = false
      const next = otherLock.acquire(name, { leaseMs, waitMs: 60_000 }).finally(() => (got = true))
      await tick(leaseMs / 2)
      assert.equal(got, false)
      await one.release()
      const two = await held(settled(next, world, 2 * leaseMs))
      assert.ok(two.token > one.token)
      await two.release()
    },
  },
  {
    promise: 'serves all who wait, one after the other',
    async hold(world, leaseMs) {
      const { lock, otherLock } = world
      let inside = 0
      const work = async (): Promise<void> => {
        assert.equal(++inside, 1, 'two are inside')
        await world.tick(5)
        inside--
      }
      const all = Array.from({ length: 5 }, (_, i) =>
        (i % 2 ? lock : otherLock).withLock(name, work, { leaseMs, waitMs: 60_000 }),
      )
      const ends = await settled(Promise.all(all), world, 60_000)
      assert.deepEqual(
        ends.map(({ kind }) => kind),
        Array(5).fill('done'),
      )
    },
  },
  {
    promise: 'says that the time is up to one who has waited for as long as it was told to',
    async hold(world, leaseMs) {
      const { lock, otherLock, tick } = world
      const one = await held(lock.acquire(name, { leaseMs }))
      let isUp = false
      const next = otherLock.acquire(name, { leaseMs, waitMs: leaseMs }).finally(() => (isUp = true))
      next.catch(() => {})
      await tick(leaseMs / 2)
      assert.equal(isUp, false)
      await assertRejects(settled(next, world, 2 * leaseMs), 'HOLDFAST_LOCK_TIMEOUT')
      assert.equal(one.signal.aborted, false)
      await one.release()
    },
  },
  {
    promise: 'lets the caller end the wait, and takes nothing for it afterwards',
    async hold(world, leaseMs) {
      const { lock, otherLock, tick } = world
      const one = await held(lock.acquire(name, { leaseMs }))
      const ending = new AbortController()
      const next = otherLock.acquire(name, { leaseMs, waitMs: 60_000, signal: ending.signal })
      next.catch(() => {})
      await tick(50)
      ending.abort(new Error('the service ends'))
      await assertRejects(settled(next, world, leaseMs), 'HOLDFAST_ABORTED')
      await one.release()
      await tick(leaseMs / 2)
      await (await held(lock.acquire(name, { leaseMs }))).release()
      await assertRejects(otherLock.acquire(name, { signal: AbortSignal.abort() }), 'HOLDFAST_ABORTED')
    },
  },
  {
    promise: 'does not end what is held when the signal of its wait aborts',
    async hold({ lock, otherLock, tick }, leaseMs) {
      const ending = new AbortController()
      const one = await held(lock.acquire(name, { leaseMs, signal: ending.signal }))
      ending.abort()
      await tick(10)
      assert.equal(one.signal.aborted, false)
      await assertBusy(otherLock.acquire(name, { leaseMs }))
      await one.release()
    },
  },
]

import assert from 'node:assert/strict'
import type { DistributedLockCase } from './distributed-lock-case.ts'
import { assertBusy, held, name } from './distributed-lock-case.ts'

/** How long a lock is held, and how it is given back. */
export const holding: readonly DistributedLockCase[] = [
  {
    promise: 'keeps a lock for longer than its lease while its holder lives',
    async hold({ lock, otherLock, tick }, leaseMs) {
      const one = await held(lock.acquire(name, { leaseMs }))
      for (let i = 0; i < 5; i++) {
        await tick(leaseMs / 2)
        await assertBusy(otherLock.acquire(name, { leaseMs }))
      }
      assert.equal(one.signal.aborted, false)
      await one.release()
    },
  },
  {
    promise: 'frees a lock at once when it is given back',
    async hold({ lock, otherLock, tick }, leaseMs) {
      const one = await held(lock.acquire(name, { leaseMs }))
      await one.release()
      const two = await held(otherLock.acquire(name, { leaseMs }))
      await tick(2 * leaseMs)
      assert.equal(one.signal.aborted, false, 'what was given back is not lost')
      assert.equal(two.signal.aborted, false)
      await two.release()
    },
  },
  {
    promise: 'gives a lock back once, however often it is told to, so that the next holder keeps it',
    async hold({ lock, otherLock }, leaseMs) {
      const one = await held(lock.acquire(name, { leaseMs }))
      await Promise.all([one.release(), one.release()])
      const two = await held(otherLock.acquire(name, { leaseMs }))
      await one.release()
      await one[Symbol.asyncDispose]()
      await assertBusy(lock.acquire(name, { leaseMs }))
      assert.equal(two.signal.aborted, false)
      await two.release()
    },
  },
  {
    promise: 'gives a lock back at the end of its scope',
    async hold({ lock, otherLock }, leaseMs) {
      const one = await held(lock.acquire(name, { leaseMs }))
      await one[Symbol.asyncDispose]()
      await (await held(otherLock.acquire(name, { leaseMs }))).release()
    },
  },
  {
    promise: 'works under a lock, answers with what came of it, and gives the lock back however the work ends',
    async hold({ lock, otherLock }, leaseMs) {
      const done = await lock.withLock(
        name,
        async ({ token, signal }) => {
          await assertBusy(otherLock.acquire(name, { leaseMs }))
          return [typeof token, signal.aborted]
        },
        { leaseMs },
      )
      assert.deepEqual(done, { kind: 'done', value: ['bigint', false] })
      const fault = new Error('no report')
      await assert.rejects(
        lock.withLock(name, () => Promise.reject(fault), { leaseMs }),
        (thrown) => thrown === fault,
      )
      const one = await held(otherLock.acquire(name, { leaseMs }))
      assert.deepEqual(await lock.withLock(name, () => assert.fail('called'), { leaseMs }), { kind: 'busy' })
      await one.release()
    },
  },
]

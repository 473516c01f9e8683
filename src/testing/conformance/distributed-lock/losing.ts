import assert from 'node:assert/strict'
import { HoldfastError } from '../../../errors/index.ts'
import { assertRejects } from '../assertions.ts'
import type { DistributedLockCase } from './distributed-lock-case.ts'
import { aborted, assertBusy, held, name, settled } from './distributed-lock-case.ts'

/** What happens when a holder cannot reach its server. */
export const losing: readonly DistributedLockCase[] = [
  {
    promise: 'tells a holder that is cut off to stop before anybody else can have the lock',
    async hold(world, leaseMs) {
      const { lock, otherLock, cutOff } = world
      const one = await held(lock.acquire(name, { leaseMs }))
      const wasTold: boolean[] = []
      const next = otherLock.acquire(name, { leaseMs, waitMs: 60_000 }).then((result) => {
        wasTold.push(one.signal.aborted)
        return result
      })
      cutOff()
      await settled(aborted(one.signal), world, leaseMs)
      assert.ok(HoldfastError.is(one.signal.reason, 'HOLDFAST_LOCK_LOST'))
      const two = await held(settled(next, world, 3 * leaseMs))
      assert.deepEqual(wasTold, [true])
      assert.ok(two.token > one.token, 'the successor has the greater token')
      await two.release()
    },
  },
  {
    promise: 'leaves the successor’s lock alone when one that is lost is given back',
    async hold(world, leaseMs) {
      const { lock, otherLock, cutOff } = world
      const one = await held(lock.acquire(name, { leaseMs }))
      cutOff()
      const two = await held(settled(otherLock.acquire(name, { leaseMs, waitMs: 60_000 }), world, 3 * leaseMs))
      await settled(one.release(), world, leaseMs)
      await settled(one[Symbol.asyncDispose](), world, leaseMs)
      await assertBusy(otherLock.acquire(name, { leaseMs }))
      assert.equal(two.signal.aborted, false)
      await two.release()
    },
  },
  {
    promise: 'fails a work whose lock was lost meanwhile, since another may have worked beside it',
    async hold(world, leaseMs) {
      const { lock, cutOff } = world
      const work = lock.withLock(
        name,
        async ({ signal }) => {
          cutOff()
          await aborted(signal)
        },
        { leaseMs },
      )
      await assertRejects(settled(work, world, 2 * leaseMs), 'HOLDFAST_LOCK_LOST')
    },
  },
  {
    promise: 'gives a lock back without an end to it, and without a fault, when its server is silent',
    async hold(world, leaseMs) {
      const one = await held(world.lock.acquire(name, { leaseMs }))
      world.cutOff()
      await settled(one.release(), world, 2 * leaseMs)
      const two = await held(settled(world.otherLock.acquire(name, { leaseMs, waitMs: 60_000 }), world, 3 * leaseMs))
      await two.release()
    },
  },
  {
    promise: 'says that its server does not answer when it does not, within the time of a lease',
    async hold(world, leaseMs) {
      const { lock, cutOff } = world
      cutOff()
      const asking = lock.acquire(name, { leaseMs })
      asking.catch(() => {})
      await assertRejects(settled(asking, world, 2 * leaseMs), 'HOLDFAST_STORE_UNAVAILABLE')
    },
  },
]

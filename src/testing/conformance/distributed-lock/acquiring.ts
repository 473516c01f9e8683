import assert from 'node:assert/strict'
import type { AcquireOptions } from '../../../idempotency/index.ts'
import { assertRejects } from '../assertions.ts'
import type { DistributedLockCase } from './distributed-lock-case.ts'
import { assertBusy, held, name, other } from './distributed-lock-case.ts'

/** Who gets a lock, and how locks are told apart. */
export const acquiring: readonly DistributedLockCase[] = [
  {
    promise: 'gives a lock that nobody has',
    async hold({ lock }, leaseMs) {
      const one = await held(lock.acquire(name, { leaseMs }))
      assert.equal(typeof one.token, 'bigint')
      assert.equal(one.signal.aborted, false)
      await one.release()
    },
  },
  {
    promise: 'says that somebody else has it, in the same process and in another, and throws nothing',
    async hold({ lock, otherLock }, leaseMs) {
      const one = await held(lock.acquire(name, { leaseMs }))
      await assertBusy(lock.acquire(name, { leaseMs }))
      await assertBusy(otherLock.acquire(name, { leaseMs }))
      await one.release()
    },
  },
  {
    promise: 'gives it to one of many who ask at the same moment',
    async hold({ lock, otherLock }, leaseMs) {
      const results = await Promise.all(
        Array.from({ length: 12 }, (_, i) => (i % 2 ? lock : otherLock).acquire(name, { leaseMs })),
      )
      assert.deepEqual(results.map(({ kind }) => kind).toSorted(), ['acquired', ...Array<string>(11).fill('busy')])
      for (const result of results) if (result.kind === 'acquired') await result.release()
    },
  },
  {
    promise: 'lets two names be held side by side, whatever text they are',
    async hold({ lock, otherLock }, leaseMs) {
      const alike = [
        [name, other],
        ['', ' '],
        ['é', 'e\u0301'],
        ['\ud800', '\ufffd'],
        ['Report', 'report'],
        ['report', 'report '],
        ['a\u0000b', 'a'],
        ['{a}', '{a}b'],
        ["'; drop table x", '__proto__'],
        ['x'.repeat(20_000) + 'a', 'x'.repeat(20_000) + 'b'],
      ] as const
      for (const [one, two] of alike) {
        const first = await held(lock.acquire(one, { leaseMs }))
        await (await held(otherLock.acquire(two, { leaseMs }))).release()
        await assertBusy(otherLock.acquire(one, { leaseMs }))
        await first.release()
      }
    },
  },
  {
    promise: 'gives each holder of a name a greater token than the one before, in whatever process',
    async hold({ lock, otherLock }, leaseMs) {
      const tokens: bigint[] = []
      for (const each of [lock, otherLock, otherLock, lock]) {
        const one = await held(each.acquire(name, { leaseMs }))
        tokens.push(one.token)
        await one.release()
      }
      assert.ok(
        tokens.every((token, i) => i === 0 || token > tokens[i - 1]!),
        `tokens grow: ${tokens.join(', ')}`,
      )
    },
  },
  {
    promise: 'refuses options that do not fit, all at once',
    async hold({ lock }) {
      for (const unfit of [0, 99, -1, 100.5, NaN, Infinity, 2 ** 31]) {
        await assertRejects(lock.acquire(name, { leaseMs: unfit }), 'HOLDFAST_CONFIG_INVALID')
        await assertRejects(
          lock.withLock(name, () => assert.fail('called'), { leaseMs: unfit }),
          'HOLDFAST_CONFIG_INVALID',
        )
      }
      for (const unfit of [0, -1, 0.5, NaN, 2 ** 31])
        await assertRejects(lock.acquire(name, { waitMs: unfit }), 'HOLDFAST_CONFIG_INVALID')
      await assertRejects(lock.acquire(name, { leasMs: 1_000 } as AcquireOptions), 'HOLDFAST_CONFIG_INVALID')
      await assertRejects(lock.acquire(7 as unknown as string), 'HOLDFAST_CONFIG_INVALID')
    },
  },
]

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createOffsetTracker } from '../../src/consumer/offset-tracker.ts'

test('the watermark stands at the lowest record without an outcome, however many above it are done', () => {
  const tracker = createOffsetTracker(10n)
  for (const offset of [10n, 11n, 15n]) tracker.take(offset)
  tracker.cover(20n)
  tracker.finish(11n)
  tracker.finish(15n)
  expect(tracker.watermark).toBe(10n)
  tracker.finish(10n)
  expect(tracker.watermark).toBe(20n)
})

test('it starts at its start, so that nothing is committed below it', () => {
  expect(createOffsetTracker(7n).watermark).toBe(7n)
})

test('a gap that a transaction marker or compaction left is passed, not waited for', () => {
  const tracker = createOffsetTracker(0n)
  tracker.take(0n)
  tracker.take(5n)
  tracker.finish(0n)
  expect(tracker.watermark).toBe(5n)
})

test('a record that was taken or covered before is not taken again', () => {
  const tracker = createOffsetTracker(3n)
  expect([tracker.take(2n), tracker.take(3n), tracker.take(3n)]).toEqual([false, true, false])
  tracker.cover(9n)
  expect(tracker.take(8n)).toBe(false)
  expect(tracker.unfinished).toBe(1)
})

test('offsets above 2^53 keep their last digit', () => {
  const tracker = createOffsetTracker(9_007_199_254_740_993n)
  tracker.take(9_007_199_254_740_993n)
  tracker.finish(9_007_199_254_740_993n)
  expect(tracker.watermark).toBe(9_007_199_254_740_994n)
})

type Step =
  | { readonly kind: 'take'; readonly gap: number }
  | { readonly kind: 'cover'; readonly by: number }
  | { readonly kind: 'finish'; readonly pick: number }
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('take' as const), gap: fc.nat({ max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cover' as const), by: fc.nat({ max: 5 }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish' as const), pick: fc.nat() }) },
  ),
  { maxLength: 200 },
)

test('law: it agrees with a naive oracle, never goes back, and never passes an unfinished record', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 62n }), steps, (start, all: readonly Step[]) => {
      const tracker = createOffsetTracker(start)
      const taken: bigint[] = []
      const finished = new Set<bigint>()
      let next = start
      let before = start
      for (const step of all) {
        if (step.kind === 'take') {
          const offset = next + BigInt(step.gap)
          expect(tracker.take(offset)).toBe(true)
          taken.push(offset)
          next = offset + 1n
        } else if (step.kind === 'cover') {
          next += BigInt(step.by)
          tracker.cover(next)
        } else if (taken.length > 0) {
          const offset = taken[step.pick % taken.length]!
          tracker.finish(offset)
          finished.add(offset)
        }
        const unfinished = taken.filter((offset) => !finished.has(offset))
        expect(tracker.watermark).toBe(unfinished[0] ?? next)
        expect(tracker.unfinished).toBe(unfinished.length)
        expect(tracker.watermark >= before).toBe(true)
        before = tracker.watermark
      }
    }),
  )
})

test('a long run with one slow record stays right while the front is thrown away', () => {
  const tracker = createOffsetTracker(0n)
  for (let i = 0n; i < 5_000n; i++) tracker.take(i)
  for (let i = 0n; i < 4_000n; i++) tracker.finish(i)
  for (let i = 4_001n; i < 5_000n; i++) tracker.finish(i)
  expect(tracker.watermark).toBe(4_000n)
  tracker.finish(4_000n)
  expect(tracker.watermark).toBe(5_000n)
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFinishedRanges, encodeFinishedRanges } from '../../src/consumer/finished-ranges.ts'
import type { FinishedRange, OffsetTracker } from '../../src/consumer/offset-tracker.ts'
import { createOffsetTracker, KNOWN } from '../../src/consumer/offset-tracker.ts'

function takeAll(tracker: OffsetTracker, offsets: readonly bigint[]): ReadonlyMap<bigint, number> {
  return new Map(offsets.map((offset) => [offset, tracker.take(offset)]))
}

function rangesOf(tracker: OffsetTracker): string {
  return [...tracker.finishedRanges()].map(({ first, last }) => `${first}-${last}`).join(' ')
}

test('the watermark stands at the lowest record without an outcome, however many above it are done', () => {
  const tracker = createOffsetTracker(10n)
  const tickets = takeAll(tracker, [10n, 11n, 15n])
  tracker.cover(20n)
  tracker.finish(tickets.get(11n)!)
  tracker.finish(tickets.get(15n)!)
  expect(tracker.watermark()).toBe(10n)
  tracker.finish(tickets.get(10n)!)
  expect(tracker.watermark()).toBe(20n)
})

test('it starts at its start, so that nothing is committed below it', () => {
  expect(createOffsetTracker(7n).watermark()).toBe(7n)
})

test('a gap that a transaction marker or compaction left is passed, not waited for', () => {
  const tracker = createOffsetTracker(0n)
  const tickets = takeAll(tracker, [0n, 5n])
  tracker.finish(tickets.get(0n)!)
  expect(tracker.watermark()).toBe(5n)
})

test('a record that was taken or covered before is not taken again', () => {
  const tracker = createOffsetTracker(3n)
  expect([tracker.take(2n), tracker.take(3n), tracker.take(3n)]).toEqual([KNOWN, expect.not.closeTo(KNOWN), KNOWN])
  tracker.cover(9n)
  expect(tracker.take(8n)).toBe(KNOWN)
  expect(tracker.unfinished).toBe(1)
})

test('offsets above 2^53 keep their last digit', () => {
  const tracker = createOffsetTracker(9_007_199_254_740_993n)
  tracker.finish(tracker.take(9_007_199_254_740_993n))
  expect(tracker.watermark()).toBe(9_007_199_254_740_994n)
})

test('finished records that have nothing unfinished between them are one range, across offsets that do not exist', () => {
  const tracker = createOffsetTracker(0n)
  const tickets = takeAll(tracker, [0n, 2n, 5n, 6n, 9n, 12n])
  for (const offset of [5n, 12n, 2n, 9n]) tracker.finish(tickets.get(offset)!)
  expect(rangesOf(tracker)).toBe('2-5 9-12')
  tracker.finish(tickets.get(6n)!)
  expect(rangesOf(tracker)).toBe('2-12')
  tracker.finish(tickets.get(0n)!)
  expect([tracker.watermark(), rangesOf(tracker)]).toEqual([13n, ''])
})

test('an old ticket finishes nothing, so that a record which uses its place is not taken as done', () => {
  const tracker = createOffsetTracker(0n)
  const old = tracker.take(0n)
  tracker.finish(old)
  tracker.take(1n)
  tracker.finish(old)
  tracker.finish(KNOWN)
  expect([tracker.unfinished, tracker.watermark()]).toEqual([1, 1n])
})

test('what an earlier owner has finished is not handled again, and lets the watermark pass', () => {
  const tracker = createOffsetTracker(10n, [{ first: 11n, last: 13n }])
  const tickets = takeAll(tracker, [10n, 11n, 13n, 14n])
  expect([tickets.get(11n), tickets.get(13n), tracker.unfinished]).toEqual([KNOWN, KNOWN, 2])
  tracker.finish(tickets.get(10n)!)
  expect(tracker.watermark()).toBe(14n)
})

test('what an earlier owner has finished and nobody has reached again stays said: a second restart must not forget it', () => {
  const tracker = createOffsetTracker(10n, [
    { first: 12n, last: 15n },
    { first: 20n, last: 29n },
  ])
  tracker.take(10n)
  expect(rangesOf(tracker)).toBe('12-15 20-29')
  tracker.take(13n)
  expect(rangesOf(tracker)).toBe('13-15 20-29')
  tracker.finish(tracker.take(17n))
  expect(rangesOf(tracker)).toBe('13-17 20-29')
  tracker.cover(24n) // the rest of the first and a part of the second never come
  expect(rangesOf(tracker)).toBe('13-29')
  tracker.cover(40n)
  expect(rangesOf(tracker)).toBe('13-17')
})

test('a record that is opened again waits for its outcome, and no other does', () => {
  const tracker = createOffsetTracker(0n)
  const tickets = takeAll(tracker, [0n, 1n, 3n, 5n, 6n, 9n])
  for (const offset of [1n, 3n, 5n, 9n]) tracker.finish(tickets.get(offset)!)
  const again = tracker.reopen(3n)
  expect([rangesOf(tracker), tracker.unfinished]).toEqual(['1-2 4-5 9-9', 3])
  tracker.finish(tickets.get(3n)!) // it was finished with this one
  tracker.finish(tickets.get(0n)!)
  expect(tracker.watermark()).toBe(3n)
  tracker.finish(again)
  expect([tracker.watermark(), rangesOf(tracker)]).toEqual([6n, '9-9'])
})

test('what is unfinished, below the watermark or unknown is not opened again', () => {
  const tracker = createOffsetTracker(0n)
  const tickets = takeAll(tracker, [0n, 1n, 2n])
  tracker.finish(tickets.get(0n)!)
  tracker.finish(tickets.get(2n)!)
  for (const offset of [0n, 1n, 3n]) expect(() => tracker.reopen(offset)).toThrow(RangeError)
  expect([tracker.watermark(), rangesOf(tracker), tracker.unfinished]).toEqual([1n, '2-2', 1])
})

test('the revision grows with what a commit would say, and not with what is only taken', () => {
  const tracker = createOffsetTracker(0n, [{ first: 9n, last: 9n }])
  const revisions = [tracker.revision]
  const then = (act: () => void): void => {
    act()
    revisions.push(tracker.revision)
  }
  let ticket = KNOWN
  then(() => tracker.take(0n))
  then(() => void (ticket = tracker.take(3n)))
  then(() => tracker.finish(ticket))
  then(() => tracker.finish(ticket))
  then(() => tracker.cover(7n))
  then(() => tracker.cover(9n)) // nothing is between 3 and 9 any more: the two ranges are one
  expect(rangesOf(tracker)).toBe('3-9')
  expect(revisions).toEqual([0, 0, 0, 1, 1, 1, 2])
})

test('ranges that lie below the start mean nothing', () => {
  const tracker = createOffsetTracker(10n, [
    { first: 2n, last: 9n },
    { first: 9n, last: 11n },
  ])
  expect(rangesOf(tracker)).toBe('10-11')
  expect([tracker.take(11n), tracker.watermark()]).toEqual([KNOWN, 12n])
})

test('reading the ranges stops where the reader has enough', () => {
  const tracker = createOffsetTracker(0n)
  const tickets = takeAll(tracker, [0n, 1n, 2n, 3n])
  tracker.finish(tickets.get(1n)!)
  tracker.finish(tickets.get(3n)!)
  const [lowest] = tracker.finishedRanges()
  expect(lowest).toEqual({ first: 1n, last: 1n })
})

test('a record that waits for hours makes nothing grow, however much is finished above it', () => {
  const tracker = createOffsetTracker(0n)
  const slow = tracker.take(0n)
  let highestTicket = 0
  for (let offset = 1n; offset < 50_000n; offset++) {
    const ticket = tracker.take(offset)
    tracker.finish(ticket)
    highestTicket = Math.max(highestTicket, ticket % 2 ** 24) // the slot
  }
  expect(rangesOf(tracker)).toBe('1-49999')
  expect(highestTicket).toBeLessThan(4)
  tracker.finish(slow)
  expect([tracker.watermark(), tracker.unfinished]).toEqual([50_000n, 0])
})

type Step =
  | { readonly kind: 'take'; readonly gap: number }
  | { readonly kind: 'cover'; readonly by: number }
  | { readonly kind: 'finish'; readonly pick: number }
  | { readonly kind: 'reopen'; readonly pick: number }
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('take' as const), gap: fc.nat({ max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cover' as const), by: fc.nat({ max: 5 }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish' as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), pick: fc.nat() }) },
  ),
  { maxLength: 120 },
)
/** Gap to the range before and length, each for one range. */
const shapes = fc.array(fc.tuple(fc.nat({ max: 8 }), fc.nat({ max: 8 })), { maxLength: 6 })

test('law: it agrees with a naive oracle, never goes back, and never passes or says finished what is not', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 10n, max: 2n ** 62n }), shapes, steps, (start, inheritedShapes, all) => {
      const inherited: FinishedRange[] = []
      for (const [gap, length] of inheritedShapes) {
        const first = (inherited.at(-1)?.last ?? start - 6n) + 1n + BigInt(gap) // the lowest may begin below the start
        inherited.push({ first, last: first + BigInt(length) })
      }
      const isInherited = (offset: bigint): boolean =>
        inherited.some(({ first, last }) => first <= offset && offset <= last)
      const tracker = createOffsetTracker(start, inherited)
      const tickets: { readonly offset: bigint; ticket: number }[] = []
      const finished = new Set<bigint>()
      const open = new Set<bigint>()
      let next = start
      let before = { watermark: start, ranges: rangesOf(tracker), revision: tracker.revision }
      for (const step of all) {
        if (step.kind === 'take') {
          const offset = next + BigInt(step.gap)
          const ticket = tracker.take(offset)
          next = offset + 1n
          expect(ticket === KNOWN).toBe(isInherited(offset))
          if (ticket === KNOWN) {
            finished.add(offset)
          } else {
            tickets.push({ offset, ticket })
            open.add(offset)
          }
        } else if (step.kind === 'cover') {
          next += BigInt(step.by)
          tracker.cover(next)
        } else if (step.kind === 'finish' && tickets.length > 0) {
          const { offset, ticket } = tickets[step.pick % tickets.length]!
          tracker.finish(ticket)
          open.delete(offset)
          finished.add(offset)
        } else if (step.kind === 'reopen') {
          const done = tickets.filter(({ offset }) => offset > before.watermark && finished.has(offset))
          const again = done[step.pick % done.length]
          if (again !== undefined) {
            again.ticket = tracker.reopen(again.offset)
            open.add(again.offset)
            finished.delete(again.offset)
          }
        }
        const lowest = [...open].toSorted((a, b) => (a < b ? -1 : 1))[0]
        expect([tracker.watermark(), tracker.next, tracker.unfinished]).toEqual([lowest ?? next, next, open.size])
        expect(tracker.watermark() >= before.watermark).toBe(true)

        const ranges = [...tracker.finishedRanges()]
        const said = (offset: bigint): boolean => ranges.some(({ first, last }) => first <= offset && offset <= last)
        for (const offset of finished) expect(said(offset)).toBe(offset > tracker.watermark())
        for (const offset of open) expect(said(offset)).toBe(false)
        const end = inherited.at(-1)?.last ?? next
        for (let offset = next; offset <= end + 1n; offset++) expect(said(offset)).toBe(isInherited(offset))
        ranges.forEach(({ first, last }, i) => {
          const lower = ranges[i - 1]
          expect(first <= last).toBe(true)
          expect(first > (lower?.last ?? tracker.watermark() - 1n)).toBe(true)
          if (lower === undefined || first >= next) return
          expect([...open].some((offset) => lower.last < offset && offset < first)).toBe(true) // else they are one
        })

        const after = { watermark: tracker.watermark(), ranges: rangesOf(tracker), revision: tracker.revision }
        if (after.watermark !== before.watermark || after.ranges !== before.ranges) {
          expect(after.revision).toBeGreaterThan(before.revision)
        } else {
          expect(after.revision).toBeGreaterThanOrEqual(before.revision)
        }
        before = after
      }
    }),
    { numRuns: 300 },
  )
})

interface LogRecord {
  readonly offset: bigint
  readonly key: number
}

type Event =
  | { readonly kind: 'fetch'; readonly count: number }
  | { readonly kind: 'finish'; readonly pick: number }
  | { readonly kind: 'commit' }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'lost' }
  | { readonly kind: 'seek'; readonly pick: number }
const histories: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    { weight: 30, arbitrary: fc.record({ kind: fc.constant('fetch' as const), count: fc.nat({ max: 8 }) }) },
    { weight: 80, arbitrary: fc.record({ kind: fc.constant('finish' as const), pick: fc.nat() }) },
    { weight: 15, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('revoked' as const) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('lost' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('seek' as const), pick: fc.nat() }) },
  ),
  { minLength: 40, maxLength: 250 },
)
const logs: fc.Arbitrary<readonly LogRecord[]> = fc
  .array(fc.tuple(fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat({ max: 5 })), fc.nat({ max: 6 })), {
    minLength: 20,
    maxLength: 120,
  })
  .map((shape) => {
    let next = 0n
    return shape.map(([gap, key]) => {
      const offset = next + BigInt(gap)
      next = offset + 1n
      return { offset, key }
    })
  })

/** A group that works off a log in the order of keys, with what truly happened beside it. */
function group(log: readonly LogRecord[], maxBytes: number) {
  let committed = { offset: 0n, metadata: '' }
  let handled = new Set<bigint>() // since the last seek, by whichever owner
  let known = new Set<bigint>() // to this owner: what it has handled itself, and what the commit it began with names
  let safe = new Set<bigint>() // named by the commit
  let tracker = createOffsetTracker(0n)
  let lanes = new Map<number, { readonly offset: bigint; readonly ticket: number }[]>()
  const keysBegun = new Set<number>()

  const begin = (): void => {
    tracker = createOffsetTracker(committed.offset, decodeFinishedRanges(committed.offset, committed.metadata))
    known = new Set(safe)
    lanes = new Map()
    keysBegun.clear()
  }

  const commit = (): void => {
    const offset = tracker.watermark()
    const metadata = encodeFinishedRanges(offset, tracker.finishedRanges(), maxBytes)
    expect(Buffer.byteLength(metadata)).toBeLessThanOrEqual(maxBytes)
    expect(log.filter((record) => record.offset < offset && !handled.has(record.offset))).toEqual([])
    const all = [...tracker.finishedRanges()]
    const kept = decodeFinishedRanges(offset, metadata)
    expect(kept).toEqual(all.slice(0, kept.length)) // cut from the top only
    if (maxBytes >= 4_096) expect(kept).toEqual(all)
    const end = kept.at(-1)?.last ?? offset - 1n
    safe = new Set([...known].filter((each) => each <= end))
    committed = { offset, metadata }
  }

  const fetch = (count: number): void => {
    for (const { offset, key } of log.filter((record) => record.offset >= tracker.next).slice(0, count)) {
      const ticket = tracker.take(offset)
      if (ticket === KNOWN) {
        expect(handled.has(offset)).toBe(true) // never skipped without an outcome
        expect(keysBegun.has(key)).toBe(false) // else an older record of the key is handled after this newer one
      } else {
        expect(safe.has(offset)).toBe(false) // never repeated when the commit says that it is finished
        keysBegun.add(key)
        lanes.set(key, [...(lanes.get(key) ?? []), { offset, ticket }])
      }
    }
    tracker.cover(log.find((record) => record.offset >= tracker.next)?.offset ?? log.at(-1)!.offset + 1n)
  }

  const finish = (pick: number): boolean => {
    const busy = [...lanes.values()].filter((lane) => lane.length > 0)
    const record = busy[pick % busy.length]?.shift()
    if (record === undefined) return false
    handled.add(record.offset)
    known.add(record.offset)
    tracker.finish(record.ticket)
    return true
  }

  const happen = (event: Event): void => {
    if (event.kind === 'fetch') {
      fetch(event.count)
    } else if (event.kind === 'finish') {
      finish(event.pick)
    } else if (event.kind === 'commit') {
      commit()
    } else if (event.kind === 'revoked') {
      commit()
      begin()
    } else if (event.kind === 'lost') {
      begin()
    } else {
      const { offset } = log[event.pick % log.length]!
      handled = new Set(log.map((record) => record.offset).filter((each) => each < offset)) // what was asked for
      safe = new Set(handled)
      committed = { offset, metadata: '' }
      begin()
    }
  }

  return {
    happen,
    drain() {
      do fetch(log.length)
      while (finish(0))
      commit()
      return { committed, missed: log.filter(({ offset }) => !handled.has(offset)) }
    },
  }
}

test('law: whatever the group does, no record is skipped without an outcome, none repeated that the commit names, and keys keep their order', () => {
  fc.assert(
    fc.property(logs, histories, fc.constantFrom(0, 10, 14, 18, 26, 4_096), (log, history, maxBytes) => {
      const world = group(log, maxBytes)
      for (const event of history) world.happen(event)
      expect(world.drain()).toEqual({ committed: { offset: log.at(-1)!.offset + 1n, metadata: '' }, missed: [] })
    }),
    { numRuns: 400 },
  )
})

import fc from 'fast-check'
import { setImmediate as immediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock/index.ts'
import type { Epoch } from '../../src/consumer/epoch.ts'
import { createEpoch } from '../../src/consumer/epoch.ts'
import { NothingBegins } from '../../src/consumer/nothing-begins.ts'
import type { Bound, Source } from '../../src/consumer/dispatcher.ts'
import { createBound, createDispatcher } from '../../src/consumer/dispatcher.ts'
import { virtualClock } from '../../src/testing/index.ts'

const stoppable = (): Epoch => createEpoch({ topic: 'orders', partition: 0 }, 1, null)
const never = stoppable()

/** A source of so many things; what it begins goes on until `leave`. */
interface TestSource extends Source {
  readonly name: string
  left: number
  /** May it begin? */
  open: boolean
}

function dispatcherWith(limit: number) {
  const clock = virtualClock()
  const dispatcher = createDispatcher(limit, clock)
  const begun: string[] = []
  const active: TestSource[] = []
  const source = (name: string, left: number, bound: Bound | null = null): TestSource => {
    const made: TestSource = {
      name,
      left,
      open: true,
      queued: false,
      bound,
      begin() {
        if (made.left === 0 || !made.open) return 'idle'
        made.left--
        begun.push(name)
        active.push(made)
        return made.left > 0 && made.open ? 'more' : 'last'
      },
    }
    return made
  }
  const leave = (which = 0): void => dispatcher.leave(active.splice(which, 1)[0]!.bound)
  return { clock, dispatcher, begun, active, source, leave }
}

test('no more begin than there are places, and each place that is given back is used at once', () => {
  const { dispatcher, begun, source, leave } = dispatcherWith(2)
  dispatcher.offer(source('a', 5))
  expect([begun.length, dispatcher.taken]).toEqual([2, 2])
  leave()
  expect([begun.length, dispatcher.taken]).toEqual([3, 2])
  for (let i = 0; i < 3; i++) leave()
  expect([begun.length, dispatcher.taken]).toEqual([5, 1])
})

test('partitions take turns, so that a full one does not starve the others', () => {
  const { dispatcher, begun, source, leave } = dispatcherWith(1)
  for (const each of [source('a', 100), source('b', 3), source('c', 3)]) dispatcher.offer(each)
  for (let i = 0; i < 9; i++) leave()
  expect(begun.join('')).toBe('aabcabcabc')
})

test('who waited between two attempts comes before all who have not begun', async () => {
  const { dispatcher, begun, source, leave } = dispatcherWith(1)
  dispatcher.offer(source('a', 5))
  const back = dispatcher.enter(null, never)!.then(() => begun.push('back'))
  leave()
  await back
  expect(begun).toEqual(['a', 'back'])
  dispatcher.leave(null)
  expect(begun).toEqual(['a', 'back', 'a'])
})

test('a bound holds its own back and nobody else', () => {
  const { dispatcher, begun, source, leave } = dispatcherWith(3)
  const bound = createBound(1)
  dispatcher.offer(source('a', 3, bound))
  dispatcher.offer(source('b', 2, bound))
  dispatcher.offer(source('c', 9))
  expect(begun).toEqual(['a', 'c', 'c'])
  leave() // `a`, whose bound has its turn behind `c`
  leave()
  expect(begun.slice(3)).toEqual(['c', 'a'])
  for (let i = 0; i < 4; i++) leave()
  expect(begun.slice(5)).toEqual(['c', 'c', 'c', 'b'])
})

test('after one that computes for long the event loop has its turn: a few of them in a row would outlast the session', async () => {
  let now = 0
  const dispatcher = createDispatcher(10, { ...systemClock, monotonic: () => now })
  let begun = 0
  dispatcher.offer({
    bound: null,
    queued: false,
    begin() {
      now += 10_000
      return ++begun < 3 ? 'more' : 'last'
    },
  })
  expect(begun).toBe(1)
  await immediate()
  expect(begun).toBe(2)
  await immediate()
  expect(begun).toBe(3)
})

test('one that waits for a place of its full bound keeps nobody of another bound waiting', async () => {
  const { dispatcher, source, active } = dispatcherWith(2)
  const [tight, wide] = [createBound(1), createBound(2)]
  dispatcher.offer(source('a', 1, tight))
  dispatcher.offer(source('b', 1, wide))
  const order: string[] = []
  const first = dispatcher.enter(tight, never)!.then(() => order.push('tight'))
  const second = dispatcher.enter(wide, never)!.then(() => order.push('wide'))
  dispatcher.leave(active[1]!.bound)
  await second
  dispatcher.leave(active[0]!.bound)
  await first
  expect(order).toEqual(['wide', 'tight'])
})

test('thousands that wait for a full bound cost the others nothing', () => {
  const { dispatcher } = dispatcherWith(10)
  let looks = 0
  const full: Bound = {
    limit: 1,
    get taken() {
      looks++
      return 1
    },
    set taken(_) {},
    passedOver: [],
  }
  for (let i = 0; i < 5_000; i++) void dispatcher.enter(full, never)
  looks = 0
  for (let i = 0; i < 100; i++) {
    void dispatcher.enter(null, never)
    dispatcher.leave(null)
  }
  expect(looks).toBeLessThan(1_000)
})

test('an epoch that stops ends the wait for a place, and takes none', async () => {
  const { dispatcher, source, leave } = dispatcherWith(1)
  dispatcher.offer(source('a', 1))
  const gone = stoppable()
  const waiting = dispatcher.enter(null, gone)
  gone.stop()
  await expect(waiting).rejects.toThrow(NothingBegins)
  await expect(dispatcher.enter(null, gone)).rejects.toThrow(NothingBegins)
  leave()
  expect(dispatcher.taken).toBe(0)
})

test('timers and sockets have their turn while handlers that never wait are worked off, or no heartbeat would be sent', async () => {
  const { dispatcher } = dispatcherWith(4)
  let left = 20_000
  const flood: Source = {
    bound: null,
    queued: false,
    begin() {
      left--
      void Promise.resolve().then(() => dispatcher.leave(null))
      return left > 0 ? 'more' : 'last'
    },
  }
  dispatcher.offer(flood)
  const seen: number[] = []
  while (left > 0) {
    await immediate()
    seen.push(left)
  }
  expect(seen.length).toBeGreaterThan(20)
  await immediate()
  expect(dispatcher.taken).toBe(0)
})

test.each(['wait for one place', 'each find one free'])(
  'so they do while thousands come back from a wait at the same moment (%s)',
  async (how) => {
    const { dispatcher } = dispatcherWith(1)
    let left = 5_000
    const come = async (): Promise<void> => {
      await dispatcher.enter(null, never)
      left--
      dispatcher.leave(null)
    }
    if (how === 'wait for one place') {
      void dispatcher.enter(null, never)
      for (let i = 0; i < 5_000; i++) void come()
      dispatcher.leave(null)
    } else {
      void (async () => {
        while (left > 0) await come()
      })()
    }
    const seen: number[] = []
    for (; left > 0; seen.push(left)) await immediate()
    expect(seen.length).toBeGreaterThan(5)
    expect(dispatcher.taken).toBe(0)
  },
)

test('they have it sooner when each handler computes for long: a full buffer of those would outlast the session', async () => {
  let now = 0
  const dispatcher = createDispatcher(1, { ...systemClock, monotonic: () => now })
  let begun = 0
  const slow: Source = {
    bound: null,
    queued: false,
    begin() {
      begun++
      now += 100
      void Promise.resolve().then(() => dispatcher.leave(null))
      return begun < 400 ? 'more' : 'last'
    },
  }
  dispatcher.offer(slow)
  await immediate()
  expect(begun).toBeLessThanOrEqual(8)
  while (begun < 400) await immediate()
})

type Step =
  | { readonly kind: 'offer'; readonly which: number; readonly count: number }
  | { readonly kind: 'leave' | 'enter' | 'abort' | 'gate'; readonly which: number }
  | { readonly kind: 'turn' }

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('offer' as const),
        which: fc.nat(),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('leave' as const, 'enter' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('abort' as const, 'gate' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
  ),
  { maxLength: 80 },
)

test('law: no bound is ever exceeded, and whenever a place is free, nobody waits who could have it', async () => {
  const limits = fc.tuple(
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
  )
  await fc.assert(
    fc.asyncProperty(limits, steps, async ([limit, one, two], script) => {
      const { dispatcher, active, source } = dispatcherWith(limit)
      const bounds = [null, createBound(one), createBound(two)]
      const sources = bounds.flatMap((bound, i) => [source(`s${i}`, 0, bound), source(`t${i}`, 0, bound)])
      const held: (Bound | null)[] = [] // places of those that have come back
      const waiting = new Set<{ readonly bound: Bound | null; readonly epoch: Epoch }>()
      const at = <T>(all: readonly T[], which: number): T | undefined => all[which % Math.max(1, all.length)]
      const inUse = (bound: Bound | null): number =>
        [...active.map((each) => each.bound), ...held].filter((each) => each === bound).length
      const hasRoom = (bound: Bound | null): boolean =>
        active.length + held.length < limit && (bound === null || inUse(bound) < bound.limit)

      for (const step of script) {
        if (step.kind === 'offer') {
          const chosen = at(sources, step.which)!
          chosen.left += step.count
          if (chosen.open) dispatcher.offer(chosen)
        } else if (step.kind === 'leave') {
          if (active.length > 0 && (held.length === 0 || step.which % 2 === 0)) {
            dispatcher.leave(active.splice(step.which % active.length, 1)[0]!.bound)
          } else if (held.length > 0) dispatcher.leave(held.splice(step.which % held.length, 1)[0]!)
        } else if (step.kind === 'enter') {
          const bound = at(bounds, step.which)!
          const epoch = stoppable()
          const entered = dispatcher.enter(bound, epoch)
          if (entered === undefined) held.push(bound)
          else {
            const mine = { bound, epoch }
            waiting.add(mine)
            entered.then(
              () => {
                waiting.delete(mine)
                held.push(bound)
              },
              () => waiting.delete(mine),
            )
          }
        } else if (step.kind === 'abort') at([...waiting], step.which)?.epoch.stop()
        else if (step.kind === 'gate') {
          const chosen = at(sources, step.which)!
          chosen.open = !chosen.open
          if (chosen.open && chosen.left > 0) dispatcher.offer(chosen)
        }
        await immediate()
        expect(dispatcher.taken).toBe(active.length + held.length)
        expect(dispatcher.taken).toBeLessThanOrEqual(limit)
        for (const bound of bounds) if (bound !== null) expect(bound.taken).toBe(inUse(bound))
        for (const bound of bounds) if (bound !== null) expect(bound.taken).toBeLessThanOrEqual(bound.limit)
        expect([...waiting].filter(({ bound }) => hasRoom(bound))).toEqual([])
        expect(sources.filter(({ left, open, bound }) => left > 0 && open && hasRoom(bound))).toEqual([])
      }
    }),
    { numRuns: 300 },
  )
})

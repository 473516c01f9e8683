import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { Laned, Lanes, Tail } from '../../src/consumer/lanes.ts'
import { createLanes } from '../../src/consumer/lanes.ts'

interface Item extends Laned<Item> {
  readonly arrival: number
  next: Item | null
  tail: Tail<Item> | null
}

/** Lanes, and a source of items for them. */
function lanesWith(): { readonly lanes: Lanes<Item>; readonly add: (lane: string | null) => Item } {
  const lanes = createLanes<Item>()
  let arrivals = 0
  return {
    lanes,
    add(lane) {
      const item: Item = { lane, arrival: arrivals++, next: null, tail: null }
      lanes.add(item)
      return item
    },
  }
}

test('a lane begins one at a time, in the order in which they came, while others go on', () => {
  const { lanes, add } = lanesWith()
  const [a1, a2, b1] = [add('a'), add('a'), add('b')]
  expect([lanes.take(), lanes.take(), lanes.take()]).toEqual([a1, b1, undefined])
  lanes.leave(b1)
  expect(lanes.ready()).toBe(false)
  lanes.leave(a1)
  expect([lanes.first(), lanes.take()]).toEqual([a2, a2])
})

test('what has no lane waits for nobody', () => {
  const { lanes, add } = lanesWith()
  const items = [add(null), add(null), add(null)]
  expect([lanes.take(), lanes.take(), lanes.take()]).toEqual(items)
  expect(lanes.size()).toBe(0)
})

test('a closed lane keeps what comes to it until it is opened, and the others not', () => {
  const { lanes, add } = lanesWith()
  const open = lanes.close('a')
  expect(lanes.anyClosed()).toBe(true)
  const [a, b] = [add('a'), add('b')]
  expect([lanes.take(), lanes.take()]).toEqual([b, undefined])
  open()
  expect([lanes.anyClosed(), lanes.take()]).toEqual([false, a])
})

test('keys that are done are forgotten together, and one that comes back meanwhile is one key still', () => {
  const { lanes, add } = lanesWith()
  for (let i = 0; i < 2_000; i++) {
    const [one, busy] = [add(`key ${i}`), add('busy')]
    const taken = [lanes.take(), lanes.take()]
    expect(taken).toEqual([one, busy])
    expect([lanes.take(), lanes.size()]).toEqual([undefined, 2])
    for (const each of taken) lanes.leave(each!)
    expect(lanes.size()).toBe(0)
  }
  const [first, second] = [add('key 1999'), add('key 1999')]
  expect([lanes.take(), lanes.take()]).toEqual([first, undefined])
  lanes.leave(first)
  lanes.clear()
  lanes.leave(second)
  expect(lanes.size()).toBe(0)
})

test('a closed lane that nothing has come to leaves nothing behind when it is opened', () => {
  const { lanes } = lanesWith()
  lanes.close('a')()
  expect([lanes.size(), lanes.anyClosed()]).toEqual([0, false])
})

test('what is let go is nowhere any more, also where a lane is opened or left afterwards', () => {
  const { lanes, add } = lanesWith()
  const open = lanes.close('a')
  for (const lane of ['a', 'b', 'b', 'c', null]) add(lane)
  const [b] = [lanes.take()!]
  lanes.clear()
  b.next = null
  open()
  lanes.leave(b)
  const left: Item[] = []
  lanes.forEachWaiting((item) => left.push(item))
  expect([lanes.ready(), lanes.size(), left]).toEqual([false, 0, []])
})

test('all that waits is found, in closed lanes too, and what is behind something under way from that', () => {
  const { lanes, add } = lanesWith()
  const open = lanes.close('a')
  const [a1, a2, b1, b2, c1, c2] = ['a', 'a', 'b', 'b', 'c', 'c'].map(add)
  expect(lanes.take()).toBe(b1)
  const found: (Item | undefined)[] = []
  lanes.forEachWaiting((item) => found.push(item))
  expect(found).toEqual([c1, c2, a1, a2])
  expect(b1!.next).toBe(b2)
  open()
  found.length = 0
  lanes.forEachWaiting((item) => found.push(item))
  expect(found).toEqual([a1, a2, c1, c2])
})

test('a million keys that have passed leave nothing behind: a service meets new keys for as long as it runs', () => {
  const { lanes, add } = lanesWith()
  for (let i = 0; i < 1_000_000; i += 10) {
    for (let j = i; j < i + 10; j++) add(`key-${j}`)
    while (lanes.ready()) lanes.leave(lanes.take()!)
  }
  expect([lanes.size(), lanes.ready(), lanes.first()]).toEqual([0, false, undefined])
})

test('a busy key does not starve the others: each begins before all that came after it was ready', () => {
  const { lanes, add } = lanesWith()
  for (let i = 0; i < 50; i++) add('hot')
  const quiet = add('quiet')
  let begins = 0
  for (let item = lanes.take(); item !== quiet && begins < 500; item = lanes.take(), begins++) {
    lanes.leave(item!)
    for (let i = 0; i < 3; i++) add('hot') // more than is worked off
  }
  expect(begins).toBe(50)
})

test('each step costs the same however many keys and records wait', () => {
  const steps = (keys: number, perKey: number): number => {
    const spies = (['get', 'set', 'delete', 'has'] as const).map((name) => vi.spyOn(Map.prototype, name))
    let moved = 0
    const splice = vi.spyOn(Array.prototype, 'splice').mockImplementation(function (this: unknown[], start, count) {
      moved += this.length - (start + count!)
      const kept = [...this.slice(0, start), ...this.slice(start + count!)]
      this.length = 0
      for (const each of kept) this.push(each)
      return []
    })
    try {
      const { lanes, add } = lanesWith()
      for (let i = 0; i < keys * perKey; i++) add(`key-${i % keys}`)
      let passed = 0
      for (let item = lanes.take(); item !== undefined; item = lanes.take(), passed++) lanes.leave(item)
      if (passed !== keys * perKey) throw new Error(`${passed} of ${keys * perKey} passed`)
      return (spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0) + moved) / passed
    } finally {
      splice.mockRestore()
      for (const spy of spies) spy.mockRestore()
    }
  }
  const shapes = [
    [10, 10],
    [1, 20_000],
    [20_000, 1],
    [200, 100],
  ] as const
  for (const [keys, perKey] of shapes) expect(steps(keys, perKey)).toBeLessThan(6)
})

type Step =
  | { readonly kind: 'add'; readonly lane: string | null }
  | { readonly kind: 'take' }
  | { readonly kind: 'leave' | 'open'; readonly which: number }

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('add' as const), lane: fc.constantFrom('a', 'b', 'c', 'd', null) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('open' as const), which: fc.nat() }) },
  ) satisfies fc.Arbitrary<Step>,
  { maxLength: 200 },
)

test('law: a lane keeps its order and begins nothing while it is busy or closed; whatever may begin, can; nobody is overtaken by what came later', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom('a', 'b', 'c')), steps, (closedLanes, script) => {
      const { lanes, add } = lanesWith()
      const closed = new Map<string, () => void>(closedLanes.map((lane) => [lane, lanes.close(lane)]))
      const waiting: Item[] = []
      const underWay: Item[] = []
      const readySince = new Map<Item, number>() // how many had come when it could first begin
      let arrived = 0
      const mayBegin = (item: Item): boolean =>
        item.lane === null ||
        (!closed.has(item.lane) &&
          !underWay.some(({ lane }) => lane === item.lane) &&
          waiting.find(({ lane }) => lane === item.lane) === item)

      for (const step of script) {
        if (step.kind === 'add') {
          waiting.push(add(step.lane))
          arrived++
        } else if (step.kind === 'take') {
          const first = lanes.first()
          const item = lanes.take()
          expect(item).toBe(first)
          if (item === undefined) expect(waiting.filter(mayBegin)).toEqual([])
          else {
            expect(mayBegin(item)).toBe(true)
            waiting.splice(waiting.indexOf(item), 1)
            for (const other of waiting)
              if (readySince.has(other)) expect(item.arrival).toBeLessThan(readySince.get(other)!)
            underWay.push(item)
          }
        } else if (step.kind === 'leave') {
          const [item] = underWay.splice(step.which % Math.max(1, underWay.length), 1)
          if (item !== undefined) lanes.leave(item)
        } else {
          const lane = [...closed.keys()][step.which % Math.max(1, closed.size)]
          if (lane !== undefined) {
            closed.get(lane)!()
            closed.delete(lane)
          }
        }
        for (const item of waiting) if (!readySince.has(item) && mayBegin(item)) readySince.set(item, arrived)
        expect(lanes.ready()).toBe(waiting.some(mayBegin))
        expect(lanes.anyClosed()).toBe(closed.size > 0)
        const known = [...waiting, ...underWay].flatMap(({ lane }) => lane ?? [])
        expect(lanes.size()).toBe(new Set([...known, ...closed.keys()]).size)
      }
    }),
    { numRuns: 500 },
  )
})

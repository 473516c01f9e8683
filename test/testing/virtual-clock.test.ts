import { expect, test } from 'vitest'
import { virtualClock, virtualRuntime } from '../../src/testing/index.ts'

test('stands still until it is moved, and then moves both clocks alike', async () => {
  const clock = virtualClock({ startAt: 5_000 })
  expect([clock.now(), clock.monotonic()]).toEqual([5_000, 1_000])
  await clock.advance(250)
  expect([clock.now(), clock.monotonic()]).toEqual([5_250, 1_250])
})

test('fires timers in the order they come due, those of one moment in the order they were asked for', async () => {
  const clock = virtualClock({ startAt: 0 })
  const fired: string[] = []
  const note = (name: string) => () => void fired.push(`${name}@${clock.now()}`)
  clock.after(30, note('late'))
  clock.after(10, note('first'))
  clock.after(10, note('second'))
  clock.every(8, note('beat'))
  await clock.advance(29)
  expect(fired).toEqual(['beat@8', 'first@10', 'second@10', 'beat@16', 'beat@24'])
  await clock.advance(1)
  expect(fired.at(-1)).toBe('late@30')
})

test('lets promises run to rest before each timer, so that what they start at that moment is not late', async () => {
  const clock = virtualClock({ startAt: 0 })
  const seen: number[] = []
  const work = (async () => {
    for (let i = 0; i < 3; i++) {
      for (let depth = 0; depth < 50; depth++) await Promise.resolve()
      await clock.sleep(10)
      seen.push(clock.now())
    }
  })()
  await clock.advance(100)
  await work
  expect(seen).toEqual([10, 20, 30])
})

test('ends a sleep with its signal’s reason, at once and also when it was aborted before', async () => {
  const clock = virtualClock()
  const stop = new AbortController()
  const asleep = clock.sleep(1_000, stop.signal)
  stop.abort(new Error('enough'))
  await expect(asleep).rejects.toThrow('enough')
  await expect(clock.sleep(1_000, stop.signal)).rejects.toThrow('enough')
  expect(clock.pending).toBe(0)
})

test('does not fire what was called off, not even from a timer of the same moment', async () => {
  const clock = virtualClock()
  const fired: string[] = []
  clock.after(10, () => victim.cancel())
  const victim = clock.after(10, () => void fired.push('victim'))
  const beat = clock.every(5, () => {
    fired.push('beat')
    beat.cancel()
  })
  await clock.advance(100)
  expect(fired).toEqual(['beat'])
  expect(clock.pending).toBe(0)
})

test('runs until a condition holds, and says when nothing is left that could make it true, or its time is over', async () => {
  const clock = virtualClock({ startAt: 0 })
  let due = false
  clock.after(500, () => (due = true))
  clock.after(900, () => {})
  await clock.runUntil(() => due)
  expect(clock.now()).toBe(500)
  await expect(clock.runUntil(() => false)).rejects.toThrow('nothing is left')
  clock.every(10, () => {})
  await expect(clock.runUntil(() => false, { maxMs: 1_000 })).rejects.toThrow('within 1000 ms')
})

test('is idle when only what repeats is left', async () => {
  const clock = virtualClock({ startAt: 0 })
  let beats = 0
  clock.every(10, () => void beats++)
  clock.after(35, () => void clock.after(20, () => {}))
  await clock.runUntilIdle()
  expect([clock.now(), beats]).toEqual([55, 5])
})

test('runs work to its end and passes on how it ended', async () => {
  const clock = virtualClock()
  expect(
    await clock.run(
      clock.sleep(86_400_00).then(() => 'slept'),
      { maxMs: 86_400_000 },
    ),
  ).toBe('slept')
  await expect(clock.run(clock.sleep(5).then(() => Promise.reject(new Error('woke badly'))))).rejects.toThrow(
    'woke badly',
  )
})

test('time that passes while nothing runs makes timers late, and what repeats fires once, as Node does', async () => {
  const clock = virtualClock()
  const fired: [string, number][] = []
  const note = (name: string) => () => void fired.push([name, clock.monotonic()])
  clock.after(100, note('once'))
  clock.every(50, note('again'))
  clock.block(1_000)
  expect([fired, clock.monotonic()]).toEqual([[], 2_000])
  await clock.advance(50)
  expect(fired).toEqual([
    ['again', 2_000],
    ['once', 2_000],
    ['again', 2_050],
  ])
})

test('lets the wall clock jump while durations go on, as a time server does', async () => {
  const clock = virtualClock({ startAt: 10_000 })
  let fired = false
  clock.after(100, () => (fired = true))
  clock.jumpWallClock(-8_000)
  await clock.advance(99)
  expect([clock.now(), clock.monotonic(), fired]).toEqual([2_099, 1_099, false])
  await clock.advance(1)
  expect(fired).toBe(true)
})

test('gives the same ids and numbers for the same seed, and others for another', () => {
  const sample = (seed: number): unknown => {
    const runtime = virtualRuntime({ seed })
    return [runtime.ids(), runtime.random(), runtime.ids(), runtime.random()]
  }
  expect(sample(7)).toEqual(sample(7))
  expect(sample(7)).not.toEqual(sample(8))
  const { random } = virtualRuntime({ seed: 7 })
  const numbers = Array.from({ length: 1_000 }, random)
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true)
  expect(numbers.reduce((sum, number) => sum + number) / 1_000).toBeCloseTo(0.5, 1)
})

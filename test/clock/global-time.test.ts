import { afterEach, expect, test } from 'vitest'
import { standInForGlobalTime } from '../../src/clock/index.ts'
import type { VirtualClock } from '../../src/testing/index.ts'
import { virtualClock } from '../../src/testing/index.ts'

const own = { Date, setTimeout, setInterval, clearTimeout, clearInterval, now: performance.now, random: Math.random }
let giveBack = (): void => {}
afterEach(() => giveBack())

function standIn(): VirtualClock {
  const clock = virtualClock()
  giveBack = standInForGlobalTime({ clock, random: () => 0.25 })
  return clock
}

test('dates, durations and chance are those of the clock that stands in, until it gives the machine’s own back', async () => {
  const earlier = new Date(0)
  const clock = standIn()
  await clock.advance(500)
  expect([Date.now(), performance.now(), Math.random()]).toEqual([clock.now(), clock.monotonic(), 0.25])
  expect(new Date().getTime()).toBe(clock.now())
  expect(Date()).toBe(new Date().toString())
  expect(new Date(2020, 0).getFullYear()).toBe(2020)
  expect(Date.UTC(1970, 0)).toBe(0)
  expect(earlier).toBeInstanceOf(Date)
  expect(new Date()).toBeInstanceOf(own.Date)
  giveBack()
  const { now, random, ...globals } = own
  expect({ Date, setTimeout, setInterval, clearTimeout, clearInterval }).toEqual(globals)
  expect([performance.now, Math.random]).toEqual([now, random])
  expect(Object.hasOwn(performance, 'now')).toBe(false)
})

test('timers fire by the clock that stands in, and do what programs ask of Node’s', async () => {
  const clock = standIn()
  const said: string[] = []
  const say = (what: string): void => void said.push(what)
  setTimeout(say, 20, 'twenty')
  setTimeout(say, undefined, 'at once').unref()
  clearTimeout(setTimeout(say, 1, 'never'))
  const beat = setInterval(say, 15, 'beat').ref()
  const anew = setTimeout(say, 30, 'anew')
  expect(anew.hasRef()).toBe(true)
  await clock.advance(29)
  anew.refresh()
  clearInterval(beat)
  await clock.advance(29)
  expect(said).toEqual(['at once', 'beat', 'twenty'])
  await clock.advance(1)
  expect(said.at(-1)).toBe('anew')
})

test('a timer of the machine can be ended while another clock stands in', () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const timer = setTimeout(() => {}, 1_000_000)
  expect(timers()).toBe(before + 1)
  standIn()
  clearTimeout(timer)
  expect(timers()).toBe(before)
})

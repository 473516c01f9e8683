import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemRuntime, uuidv7 } from '../../src/clock/index.ts'

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('ids are UUIDs of version 7 that begin with the time', () => {
  const id = uuidv7({ now: () => 0x0192_3456_789a })()
  expect(id).toMatch(FORM)
  expect(id.slice(0, 13)).toBe('01923456-789a')
})

test('ids made in one process sort in the order they were made, within a millisecond and when the wall clock goes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 200 }), (steps) => {
      let now = 1_700_000_000_000
      const next = uuidv7({ now: () => now })
      const ids = steps.map((step) => {
        now += step
        return next()
      })
      expect(ids).toEqual(ids.toSorted())
      expect(new Set(ids).size).toBe(ids.length)
    }),
  )
})

test('ten thousand ids of one millisecond are all different and in order', () => {
  const next = uuidv7({ now: () => 1_700_000_000_000 })
  const ids = Array.from({ length: 10_000 }, next)
  expect(ids).toEqual(ids.toSorted())
  expect(new Set(ids).size).toBe(10_000)
})

test('the random part comes from the given source', () => {
  const zero = uuidv7({ now: () => 1 }, (bytes) => void bytes.fill(0))
  expect(zero()).toBe('00000000-0001-7000-8000-000000000000')
})

test('the system’s ids are well formed', () => {
  for (let i = 0; i < 1_000; i++) expect(systemRuntime.ids()).toMatch(FORM)
})

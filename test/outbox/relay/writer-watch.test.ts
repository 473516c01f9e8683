import { expect, test } from 'vitest'
import { createWriterWatch } from '../../../src/outbox/relay/writer-watch.ts'

test('nothing can have appeared below the floors while every writer is still there', () => {
  const watch = createWriterWatch()
  expect(watch.looked({ lastRowId: 10n, writers: ['a', 'b'] })).toBeNull()
  expect(watch.looked({ lastRowId: 20n, writers: ['a', 'b', 'c'] })).toBeNull()
})

test('a writer that was there at the first look may have drawn any id before', () => {
  const watch = createWriterWatch()
  watch.looked({ lastRowId: 10n, writers: ['a'] })
  expect(watch.looked({ lastRowId: 20n, writers: [] })).toBe(0n)
})

test('one that came later has drawn none up to the last row id of the look before it', () => {
  const watch = createWriterWatch()
  watch.looked({ lastRowId: 10n, writers: [] })
  watch.looked({ lastRowId: 20n, writers: ['b'] })
  watch.looked({ lastRowId: 30n, writers: ['b', 'c'] })
  expect(watch.looked({ lastRowId: 40n, writers: ['b'] })).toBe(20n)
  expect(watch.looked({ lastRowId: 40n, writers: ['d'] })).toBe(10n)
  expect(watch.looked({ lastRowId: 50n, writers: [] })).toBe(40n)
  expect(watch.looked({ lastRowId: 60n, writers: [] })).toBeNull()
})

test('a prepared transaction is as old as it was under its former name', () => {
  const watch = createWriterWatch()
  watch.looked({ lastRowId: 10n, writers: ['3/7'] })
  watch.looked({ lastRowId: 500n, writers: ['-1/812'], prepared: ['-1/812'] })
  watch.looked({ lastRowId: 900n, writers: ['-1/812'], prepared: ['-1/812'] })
  expect(watch.looked({ lastRowId: 900n, writers: [] })).toBe(0n)
})

test('ids that a crashed server draws again are above what was on its disk', () => {
  const watch = createWriterWatch()
  watch.looked({ lastRowId: 100n, durableRowId: 80n, writers: [] })
  watch.looked({ lastRowId: 110n, durableRowId: 99n, writers: ['t1'] }) // in between it had gone back to 90: t1 may have drawn 91
  expect(watch.looked({ lastRowId: 120n, durableRowId: 120n, writers: [] })).toBe(80n)
})

import { expect, test } from 'vitest'
import { createDurableIds } from '../../../src/outbox/postgres/durable-ids.ts'

test('an id counts when the log is on the disk up to where it was drawn', () => {
  const ids = createDurableIds()
  expect(ids.seen(5n, 100n, 90n)).toBe(0n)
  expect(ids.seen(7n, 130n, 99n)).toBe(0n)
  expect(ids.seen(9n, 150n, 100n)).toBe(5n)
  expect(ids.seen(9n, 150n, 149n)).toBe(5n)
  expect(ids.seen(9n, 150n, 150n)).toBe(9n)
})

test('a sequence that has gone back, after a crash, is believed', () => {
  const ids = createDurableIds()
  expect(ids.seen(9n, 100n, 100n)).toBe(9n)
  expect(ids.seen(8n, 120n, 110n)).toBe(8n)
})

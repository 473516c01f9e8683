import { expect, test } from 'vitest'
import { createBacklog } from '../../src/consumer/backlog.ts'
import type { InboundRecords } from '../../src/driver/index.ts'
import type { InboundRecord } from '../../src/record/index.ts'

function record(offset: number): InboundRecord {
  const value = Buffer.from('value')
  return { topic: 't', partition: 0, offset: BigInt(offset), key: null, value, headers: [], timestamp: 0n }
}

/** Records that are made when their turn comes, and a list of those that were. */
function made(...offsets: number[]): { readonly records: InboundRecords; readonly made: number[] } {
  const made: number[] = []
  function* each(): Generator<InboundRecord> {
    for (const offset of offsets) {
      made.push(offset)
      yield record(offset)
    }
  }
  return { records: { length: offsets.length, byteLength: 5 * offsets.length, [Symbol.iterator]: each }, made }
}

test('a record is made when it is taken out, and none before', () => {
  const backlog = createBacklog(() => {})
  const { records, made: done } = made(1, 2, 3)
  backlog.add(records, 4n, 0)
  expect([backlog.records, backlog.bytes, done]).toEqual([3, 15, []])
  expect(backlog.next()!.offset).toBe(1n)
  expect([backlog.records, backlog.bytes, done]).toEqual([2, 10, [1]])
})

test('nothing is covered before the last record that came with it is in its place: what is covered too early is lost', () => {
  const covered: bigint[] = []
  const backlog = createBacklog((next) => void covered.push(next))
  backlog.add(made(1).records, 5n, 0)
  expect(backlog.next()!.offset).toBe(1n)
  expect(covered).toEqual([])
  backlog.cover()
  expect(covered).toEqual([5n])
  expect(backlog.next()).toBeUndefined()
})

test('what comes without a record is covered in its turn, never before what came earlier', () => {
  const covered: bigint[] = []
  const backlog = createBacklog((next) => void covered.push(next))
  backlog.add([], 3n, 0)
  backlog.cover()
  expect(covered).toEqual([3n])
  backlog.add(made(3).records, 4n, 0)
  backlog.add([], 9n, 0)
  backlog.cover()
  expect(covered).toEqual([3n])
  backlog.next()
  backlog.cover()
  expect(covered).toEqual([3n, 4n, 9n])
})

test('a driver that has more records than it says loses none of them', () => {
  const covered: bigint[] = []
  const backlog = createBacklog((next) => void covered.push(next))
  const { records } = made(1, 2, 3)
  backlog.add({ length: 1, [Symbol.iterator]: () => records[Symbol.iterator]() }, 4n, 0)
  const taken: bigint[] = []
  for (let next = backlog.next(); next !== undefined; next = backlog.next()) {
    taken.push(next.offset)
    backlog.cover()
  }
  expect([taken, covered]).toEqual([[1n, 2n, 3n], [4n]])
})

test('what is counted is gone when all has been taken out, whatever the driver said of it', () => {
  const backlog = createBacklog(() => {})
  const { records } = made(1, 2)
  backlog.add({ length: 5, byteLength: 1_000, [Symbol.iterator]: () => records[Symbol.iterator]() }, 3n, 7)
  expect([backlog.records, backlog.bytes, backlog.since()]).toEqual([5, 1_000, 7])
  while (backlog.next() !== undefined);
  expect([backlog.records, backlog.bytes]).toEqual([0, 0])
})

test('what has waited for long is put on bytes of its own, once, and comes out the same', () => {
  const view = Buffer.alloc(1_000, 'value').subarray(500, 505)
  const backlog = createBacklog(() => {})
  backlog.add([{ ...record(1), value: view }], 2n, 0)
  backlog.add([{ ...record(2), value: view }], 3n, 50)
  backlog.detach(10)
  backlog.detach(20)
  const [old, fresh] = [backlog.next()!, backlog.next()!]
  expect([String(old.value), String(fresh.value)]).toEqual(['value', 'value'])
  expect([old.value!.buffer === view.buffer, fresh.value!.buffer === view.buffer]).toEqual([false, true])
})

test('nothing comes out of what was let go', () => {
  const covered: bigint[] = []
  const backlog = createBacklog((next) => void covered.push(next))
  backlog.add(made(1, 2).records, 3n, 0)
  backlog.clear()
  backlog.cover()
  expect([backlog.next(), backlog.records, backlog.bytes, covered]).toEqual([undefined, 0, 0, []])
})

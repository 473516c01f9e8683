import { setImmediate as immediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createBackPressure } from '../../src/consumer/back-pressure.ts'
import type { Consumer } from '../../src/consumer/index.ts'
import type { Driver } from '../../src/driver/index.ts'
import type { World } from './world.ts'
import { gate, GROUP, orders, world } from './world.ts'

test('a partition that is removed twice is counted once, so that the share of the others never shrinks below nothing', () => {
  const steered: string[] = []
  const pressure = createBackPressure(
    { maxBytes: 1_000, maxRecords: 100_000 },
    {
      pause: ([target]) => void steered.push(`pause ${target!.partition}`),
      resume: ([target]) => void steered.push(`resume ${target!.partition}`),
    },
  )
  const add = (partition: number) => pressure.add({ topic: 'orders', partition }, holding())
  const gone = [0, 1, 2, 3].map(add)
  for (const bound of [...gone, ...gone]) bound.remove()
  for (const bound of [4, 5].map(add)) bound.check()
  expect(steered).toEqual([])
})

const holding = (much = 0) => ({ records: () => much, bytes: () => much })

function steering() {
  const steered: string[] = []
  const pressure = (maxBytes: number, maxRecords: number) =>
    createBackPressure(
      { maxBytes, maxRecords },
      {
        pause: ([target]) => void steered.push(`pause ${target!.partition}`),
        resume: ([target]) => void steered.push(`resume ${target!.partition}`),
      },
    )
  return { steered, pressure }
}

test.each([
  ['bytes', 'bytes'],
  ['records', 'records'],
] as const)(
  'a partition is paused when its share of the %s is held, and goes on when half of that is worked off',
  (_, of) => {
    const { steered, pressure } = steering()
    const all = pressure(of === 'bytes' ? 200 : 1e9, of === 'records' ? 200 : 1e9)
    const held = { records: 0, bytes: 0 }
    const bound = all.add({ topic: 'orders', partition: 0 }, { records: () => held.records, bytes: () => held.bytes })
    all.add({ topic: 'orders', partition: 1 }, holding())
    for (const much of [99, 100, 150, 51]) {
      held[of] = much
      bound.check()
    }
    expect(steered).toEqual(['pause 0'])
    held[of] = 50
    bound.check()
    bound.check()
    expect(steered).toEqual(['pause 0', 'resume 0'])
  },
)

test('a partition that goes while it is paused is resumed: a driver may keep pauses across assignments', () => {
  const { steered, pressure } = steering()
  const bound = pressure(1, 1).add({ topic: 'orders', partition: 0 }, holding(1))
  bound.check()
  bound.remove()
  bound.check()
  expect(steered).toEqual(['pause 0', 'resume 0'])
})

/** A driver that tells what it is asked, and hands records over as views on one piece of memory for each batch, as a real one does. */
function watched(all: World) {
  const inner = all.driver()
  const steered: string[] = []
  const batches: { readonly memory: WeakRef<ArrayBuffer>; readonly records: number }[] = []
  const driver: Driver = {
    ...inner,
    createConsumer(options) {
      const consumer = inner.createConsumer(options)
      return {
        ...consumer,
        pause: (partitions) => {
          steered.push(`pause ${partitions[0]!.partition}`)
          consumer.pause(partitions)
        },
        resume: (partitions) => {
          steered.push(`resume ${partitions[0]!.partition}`)
          consumer.resume(partitions)
        },
        start: (topics, callbacks) =>
          consumer.start(topics, {
            ...callbacks,
            onBatch(batch) {
              const memory = new ArrayBuffer(2 ** 20)
              batches.push({ memory: new WeakRef(memory), records: batch.records.length })
              let used = 0
              const view = (bytes: Uint8Array | null): Uint8Array | null => {
                if (bytes === null) return null
                const copy = Buffer.from(memory, used, bytes.byteLength)
                copy.set(bytes)
                used += bytes.byteLength
                return copy
              }
              const records = Array.from(batch.records, (each) => ({
                ...each,
                key: view(each.key),
                value: view(each.value),
              }))
              callbacks.onBatch({ ...batch, records })
            },
          }),
      }
    },
  }
  return { driver, steered, batches }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Which of the batches are still in memory. */
async function pinned(batches: ReturnType<typeof watched>['batches']): Promise<readonly number[]> {
  for (let i = 0; i < 3; i++) {
    await immediate()
    collectGarbage()
  }
  return batches.flatMap(({ memory }, i) => (memory.deref() === undefined ? [] : [i]))
}

test('full buffers pause the partition and never leave the group, and everything arrives once in the end', async () => {
  const all = world({ partitions: 2 })
  const { driver, steered } = watched(all)
  for (let i = 0; i < 40; i++) all.append([{ id: `${i}` }], { partition: i % 2, key: `k${i % 6}` })
  const hang = gate()
  const seen: string[] = []
  const lost: unknown[] = []
  const one: Consumer = all
    .consumer({ driver, maxBufferedRecords: 10, sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 })
    .on(orders, async ({ value }) => {
      await hang.opened
      seen.push(value.id)
    })
  one.listen('lost', (event) => lost.push(event))
  one.listen('revoked', (event) => lost.push(event))
  await all.start(one)
  const [before] = all.cluster.members(GROUP)
  for (let i = 40; i < 60; i++) all.append([{ id: `${i}` }], { partition: i % 2, key: `k${i % 6}` })
  await all.runtime.advance(120_000)
  expect(steered.toSorted()).toEqual(['pause 0', 'pause 1'])
  expect(all.cluster.members(GROUP)).toEqual([before])
  expect(lost).toEqual([])
  hang.open()
  await all.runtime.runUntil(() => [0, 1].every((partition) => all.committed(partition) === 30n))
  expect(seen.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i))
  expect(steered.filter((each) => each.startsWith('resume')).length).toBeGreaterThanOrEqual(2)
  await all.runtime.run(one.close())
})

test('what has been handled keeps nothing of its batch in memory, in a partition that is quiet afterwards too', async () => {
  const all = world()
  const { driver, batches } = watched(all)
  const one = all.consumer({ driver }).on(orders, () => {})
  await all.start(one)
  all.append([{ id: 'a' }, { id: 'b' }])
  await all.runtime.runUntil(() => all.committed() === 2n)
  await all.runtime.advance(1_000)
  expect(batches.length).toBeGreaterThan(0)
  expect(await pinned(batches)).toEqual([])
  await all.runtime.run(one.close())
})

test('a message that waits keeps its own bytes in memory, and not the batch it came in', async () => {
  const all = world()
  const { driver, batches } = watched(all)
  const values: string[] = []
  const one = all.consumer({ driver }).on(
    orders,
    ({ value }, { attempt, record }) => {
      if (value.id !== 'bad' && value.id !== 'behind') return
      values.push(Buffer.from(record.value!).toString())
      if (attempt === 1 && value.id === 'bad') throw new Error('no')
    },
    { retry: { initialDelayMs: 60_000, maxDelayMs: 60_000, jitter: 0 } },
  )
  await all.start(one)
  all.append([{ id: 'bad' }, { id: 'behind' }])
  await all.runtime.advance(5_000)
  for (const id of ['x', 'y', 'z']) {
    all.append([{ id }], { key: id })
    await all.runtime.advance(5_000)
  }
  expect(await pinned(batches)).toEqual([])
  await all.runtime.runUntil(() => all.committed() === 5n)
  expect(values.map((text) => (JSON.parse(text) as { id: string }).id)).toEqual(['bad', 'bad', 'behind'])
  await all.runtime.run(one.close())
})

test('a message that waits for a handler of an earlier assignment does not keep its batch in memory either', async () => {
  const all = world()
  const { driver, batches } = watched(all)
  const hang = gate()
  let calls = 0
  const one = all
    .consumer({ driver, sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 })
    .on(orders, async ({ value }) => {
      if (value.id === 'bad' && ++calls === 1) await hang.opened
    })
  all.append([{ id: 'bad' }, { id: 'behind' }])
  await all.start(one)
  await all.runtime.runUntil(() => calls === 1)
  all.cluster.expireSession(GROUP)
  const before = batches.length
  await all.runtime.runUntil(() => batches.length > before)
  for (const id of ['x', 'y', 'z']) {
    await all.runtime.advance(5_000)
    all.append([{ id }], { key: id })
  }
  await all.runtime.advance(5_000)
  expect((await pinned(batches)).filter((i) => i >= before)).toEqual([])
  expect(one.health().partitions[0]!.headAgeMs).toBeGreaterThan(15_000)
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 5n)
  await all.runtime.run(one.close())
})

test('a message that waits for a call that has timed out does not keep its batch in memory either', async () => {
  const all = world()
  const { driver, batches } = watched(all)
  const hang = gate()
  const one = all.consumer({ driver }).on(
    orders,
    async ({ value }) => {
      if (value.id === 'bad') await hang.opened
    },
    { handlerTimeoutMs: 1_000, retry: { maxAttempts: 1 } },
  )
  await all.start(one)
  all.append([{ id: 'bad' }])
  await all.runtime.advance(500)
  all.append([{ id: 'behind' }])
  await all.runtime.advance(500)
  for (const id of ['x', 'y', 'z']) {
    all.append([{ id }], { key: id })
    await all.runtime.advance(5_000)
  }
  expect(all.committed()).toBe(1n)
  expect((await pinned(batches)).filter((i) => i > 0)).toEqual([]) // the call that still runs has the first
  expect(one.health().partitions[0]!.headAgeMs).toBeGreaterThan(15_000)
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 5n)
  await all.runtime.run(one.close())
})

test('an assignment that is over keeps nothing in memory, however long a handler before it hangs', async () => {
  const all = world()
  const { driver, batches } = watched(all)
  const hang = gate()
  let calls = 0
  const one = all
    .consumer({ driver, sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 })
    .on(orders, async ({ value }) => {
      if (value.id === 'bad' && ++calls === 1) await hang.opened
    })
  all.append([{ id: 'bad' }, { id: 'behind' }])
  await all.start(one)
  await all.runtime.runUntil(() => calls === 1)
  const assignments: number[] = []
  for (let round = 0; round < 3; round++) {
    all.cluster.expireSession(GROUP)
    const before = batches.length
    await all.runtime.runUntil(() => batches.length > before)
    assignments.push(before)
  }
  await all.runtime.advance(500)
  expect((await pinned(batches)).filter((i) => i > 0)).toEqual([assignments.at(-1)])
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 2n)
  await all.runtime.run(one.close())
})

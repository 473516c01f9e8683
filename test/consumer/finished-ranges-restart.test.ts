import { expect, test } from 'vitest'
import type { Driver } from '../../src/driver/index.ts'
import type { Message } from '../../src/consumer/index.ts'
import { decodeFinishedRanges } from '../../src/consumer/finished-ranges.ts'
import type { World } from './world.ts'
import { gate, GROUP, orders, world } from './world.ts'

const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 }
const KEYS = 'abcdefghij'

/** Ten messages, each of a key of its own. */
function appendTen({ append }: Pick<World, 'append'>): void {
  for (const key of KEYS) append([{ id: key }], { key })
}

/** Remembers what was called; holds the messages that are named. */
function recorder(held: string) {
  const calls: string[] = []
  const hang = gate()
  const handler = async ({ value }: Message<{ id: string }>): Promise<void> => {
    calls.push(value.id)
    if (held.includes(value.id)) await hang.opened
  }
  return { calls, handler, open: hang.open }
}

const rangesOf = ({ cluster }: World): readonly string[] => {
  const { offset, metadata } = cluster.committed(GROUP)[0]!
  return decodeFinishedRanges(offset, metadata).map(({ first, last }) => `${first}-${last}`)
}

test('nothing is committed past an unfinished message, and what is finished above it goes with the commit', async () => {
  const all = world()
  appendTen(all)
  const { handler, open } = recorder('cf')
  const one = all.consumer(session).on(orders, handler)
  await all.start(one)
  await all.runtime.advance(5_000)
  expect(all.committed()).toBe(2n)
  expect(rangesOf(all)).toEqual(['3-4', '6-9'])
  open()
  await all.runtime.runUntil(() => all.committed() === 10n)
  expect(rangesOf(all)).toEqual([])
  await all.runtime.run(one.close())
})

test.each(['dies', 'is lost', 'closes'] as const)(
  'when a member %s, the next owner handles only what was unfinished, and commits nothing past it meanwhile',
  async (how) => {
    const all = world()
    appendTen(all)
    const first = recorder('cf')
    const one = all.consumer({ ...session, process: 'one', drainTimeoutMs: 100 }).on(orders, first.handler)
    await all.start(one)
    await all.runtime.advance(5_000)
    expect(first.calls.join('')).toBe(KEYS)
    if (how === 'dies') all.cluster.unreachable(true, 'one')
    if (how === 'is lost') all.cluster.expireSession(GROUP)
    if (how === 'closes') await all.runtime.run(one.close())

    const next = recorder('c')
    const two = all
      .consumer({ ...session, process: how === 'is lost' ? 'a-comes-first' : 'two' })
      .on(orders, next.handler)
    await all.start(two)
    await all.runtime.runUntil(() => next.calls.length === 2)
    await all.runtime.advance(5_000)
    expect(next.calls).toEqual(['c', 'f'])
    expect(all.committed()).toBe(2n)
    expect(rangesOf(all)).toEqual(['3-9'])
    next.open()
    await all.runtime.runUntil(() => all.committed() === 10n)
    expect(next.calls).toEqual(['c', 'f'])
    first.open()
    await all.runtime.run(Promise.all([one.close(), two.close()]))
  },
)

test('a message that comes later of a key that was finished above the commit is handled, and not taken for done', async () => {
  const all = world()
  appendTen(all)
  const first = recorder('a')
  const one = all.consumer({ ...session, process: 'one' }).on(orders, first.handler)
  await all.start(one)
  await all.runtime.advance(5_000)
  all.cluster.unreachable(true, 'one')
  appendTen(all)
  const next = recorder('')
  const two = all.consumer({ ...session, process: 'two' }).on(orders, next.handler)
  await all.start(two)
  await all.runtime.runUntil(() => all.committed() === 20n)
  expect(next.calls.toSorted()).toEqual(['a', ...KEYS.split('')])
  first.open()
  await all.runtime.run(two.close())
  await all.runtime.run(one.close(), { maxMs: 86_400_000 })
})

test('a commit without text, as other clients make them, says that nothing above it is finished', async () => {
  const all = world()
  appendTen(all)
  all.cluster.setCommitted(GROUP, { topic: 'orders', partition: 0, offset: 4n })
  const { calls, handler } = recorder('')
  const one = all.consumer(session).on(orders, handler)
  await all.start(one)
  await all.runtime.runUntil(() => all.committed() === 10n)
  expect(calls.join('')).toBe('efghij')
  await all.runtime.run(one.close())
})

test('a driver whose commits carry no text gets none: the next owner repeats what was finished out of order, and loses nothing', async () => {
  const all = world()
  appendTen(all)
  const without = (process: string): Driver => {
    const driver = all.driver(process)
    return { ...driver, capabilities: { ...driver.capabilities, commitMetadata: false } }
  }
  const first = recorder('c')
  const one = all.consumer({ ...session, driver: without('one') }).on(orders, first.handler)
  await all.start(one)
  await all.runtime.advance(5_000)
  expect(all.cluster.committed(GROUP)).toMatchObject([{ offset: 2n, metadata: '' }])
  all.cluster.unreachable(true, 'one')
  const next = recorder('')
  const two = all.consumer({ ...session, driver: without('two') }).on(orders, next.handler)
  await all.start(two)
  await all.runtime.runUntil(() => all.committed() === 10n)
  expect(next.calls.join('')).toBe('cdefghij')
  first.open()
  await all.runtime.run(two.close())
  await all.runtime.run(one.close(), { maxMs: 86_400_000 })
})

test('a rebalance that gives a member its partition again repeats nothing of what was finished out of order', async () => {
  const all = world()
  appendTen(all)
  const { calls, handler, open } = recorder('c')
  const one = all.consumer(session).on(orders, handler)
  await all.start(one)
  await all.runtime.runUntil(() => calls.length === 10)
  all.cluster.addPartitions('orders', 2)
  await all.runtime.advance(0)
  open()
  await all.runtime.runUntil(() => one.health().partitions.length === 2 && all.committed() === 10n)
  expect(calls.join('')).toBe(KEYS)
  await all.runtime.run(one.close())
})

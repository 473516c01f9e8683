import { expect, test } from 'vitest'
import { dedupeId, memoryDedupeStore } from '../../src/idempotency/index.ts'
import { GROUP, ids, orders, world } from './world.ts'

const FAILPOINTS = [
  'assign:begin',
  'assign:positions',
  'process:decoded',
  'process:begun',
  'process:handled',
  'park:producing',
  'park:acknowledged',
  'process:completed',
  'commit:before',
  'commit:after',
] as const

const retry = { maxAttempts: 2, initialDelayMs: 10 }
const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 }
const values = [...ids(2), { id: 'bad' }, ...ids(3, 3)]

/** What became of each of the six records, wherever it was handled. */
function fates(handled: readonly string[], parked: readonly string[]): Record<string, boolean> {
  return Object.fromEntries(values.map(({ id }) => [id, id === 'bad' ? parked.includes(id) : handled.includes(id)]))
}
const allWell = Object.fromEntries(values.map(({ id }) => [id, true]))

/** First effects in the order they happened: repeats may follow, but no record overtakes one before it. */
const firsts = (handled: readonly string[]): readonly string[] => [...new Set(handled)]

test.each(FAILPOINTS.flatMap((point) => [1, 2, 3].map((passing) => [point, passing] as const)))(
  'a process that dies at %s (passing %i) loses nothing, keeps the order, and parks what is to be parked',
  async (point, passing) => {
    const { consumer, append, runtime, start, committed, cluster, points, deadLetters } = world()
    append(values)
    const handled: string[] = []
    const handler = ({ value }: { value: { id: string } }): void => {
      if (value.id === 'bad') throw new Error('no')
      handled.push(value.id)
    }
    for (let i = 1; i < passing; i++) points.holdAt(point).release()
    const holds = Array.from({ length: passing }, () => points.holdAt(point))
    holds.slice(0, -1).forEach((hold) => void hold.reached.then(() => hold.release()))
    let dead = false
    void holds.at(-1)!.reached.then(() => (dead = true))

    const one = consumer({ ...session, process: 'dies' }).on(orders, handler, { retry })
    one.start().catch(() => {})
    await runtime.runUntil(() => dead || committed() === 6n)
    cluster.unreachable(true, 'dies') // its network dies with it; it stands at the failpoint for good

    const two = consumer({ ...session, process: 'lives' }).on(orders, handler, { retry })
    await start(two)
    await runtime.runUntil(() => committed() === 6n)
    expect(
      fates(
        handled,
        deadLetters().map(({ record }) => JSON.parse(Buffer.from(record.value!).toString()).id),
      ),
    ).toEqual(allWell)
    expect(firsts(handled)).toEqual(['o-1', 'o-2', 'o-3', 'o-4', 'o-5'])

    const before = handled.length
    const parkedBefore = deadLetters().length
    for (const hold of holds) hold.release() // the zombie wakes up: nothing that it still does may count
    await runtime.advance(60_000)
    expect(committed()).toBe(6n)
    expect(handled.length).toBe(before)
    expect(deadLetters().length).toBe(parkedBefore)
    await runtime.run(two.close())
  },
)

test.each([
  'process:decoded',
  'process:begun',
  'process:handled',
  'park:acknowledged',
  'process:completed',
  'commit:before',
] as const)(
  'an error of ours at %s passes over nothing: the partition pauses, says so, and tries again',
  async (point) => {
    const { consumer, append, runtime, start, committed, points, deadLetters } = world()
    append(values)
    const handled: string[] = []
    points.throwAt(point)
    const one = consumer(session).on(
      orders,
      ({ value }) => {
        if (value.id === 'bad') throw new Error('no')
        handled.push(value.id)
      },
      { retry },
    )
    await start(one)
    await runtime.runUntil(() => committed() === 6n)
    expect(firsts(handled)).toEqual(['o-1', 'o-2', 'o-3', 'o-4', 'o-5'])
    expect(deadLetters().length).toBeGreaterThan(0)
    expect(one.health().status).toBe('healthy')
    await runtime.run(one.close())
  },
)

test('with a shared store a process that dies after marking repeats no effect', async () => {
  const { consumer, append, runtime, start, committed, cluster, points } = world()
  append(ids(1), { headers: [['holdfast-id', Buffer.from('a')]] })
  const dedupe = { store: memoryDedupeStore({ runtime }), leaseMs: 5_000 }
  let handled = 0
  const died = points.holdAt('process:completed')
  const one = consumer({ ...session, process: 'dies' }).on(orders, () => void handled++, {
    dedupe,
    handlerTimeoutMs: 4_000,
  })
  await start(one)
  await runtime.run(died.reached)
  cluster.unreachable(true, 'dies')
  const two = consumer({ ...session, process: 'lives' }).on(orders, () => void handled++, {
    dedupe,
    handlerTimeoutMs: 4_000,
  })
  await start(two)
  await runtime.runUntil(() => committed() === 1n)
  expect(handled).toBe(1)
  expect(
    await dedupe.store.begin(dedupeId({ groupId: GROUP, handler: 'orders', messageId: 'a' }), { leaseMs: 1 }),
  ).toMatchObject({ kind: 'done' })
  await runtime.run(two.close())
})

test.each(['revoke:begin', 'revoke:drained', 'revoke:committed'] as const)(
  'a process that dies at %s while its partitions go loses nothing',
  async (point) => {
    const { consumer, append, runtime, start, committed, cluster, points } = world({ partitions: 2 })
    append(ids(5))
    append(ids(5), { partition: 1 })
    const handled: string[] = []
    const handler = async (_: unknown, { partition, offset }: { partition: number; offset: bigint }): Promise<void> => {
      await runtime.clock.sleep(100)
      handled.push(`${partition}@${offset}`)
    }
    const died = points.holdAt(point)
    const one = consumer({ ...session, process: 'dies' }).on(orders, handler)
    await start(one)
    await runtime.runUntil(() => handled.length >= 3)
    const two = consumer({ ...session, process: 'lives' }).on(orders, handler)
    const starting = two.start()
    await runtime.run(died.reached)
    cluster.unreachable(true, 'dies')
    await runtime.run(starting)
    await runtime.runUntil(() => committed(0) === 5n && committed(1) === 5n)
    expect(new Set(handled).size).toBe(10)
    await runtime.run(two.close())
  },
)

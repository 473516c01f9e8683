import { expect, test } from 'vitest'
import type { Consumer, MessageContext } from '../../src/consumer/index.ts'
import { park, retryAfter, skip } from '../../src/consumer/index.ts'
import { memoryDedupeStore } from '../../src/idempotency/index.ts'
import { gate, ids, orders, world } from './world.ts'

const manual = { ack: 'manual', handlerTimeoutMs: 1_000 } as const
const once = { maxAttempts: 1 }
const handledOf = (consumer: Consumer): bigint[] => {
  const offsets: bigint[] = []
  consumer.listen('handled', ({ position }) => void offsets.push(position.offset))
  return offsets
}

test('an ack before the handler resolves handles the message when it has resolved, not before', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const rest = gate()
  const one = consumer().on(
    orders,
    async (_, { ack }) => {
      ack()
      await rest.opened
    },
    manual,
  )
  await start(one)
  await runtime.advance(500)
  expect(committed() ?? 0n).toBe(0n)
  rest.open()
  await runtime.runUntil(() => committed() === 1n)
  await runtime.run(one.close())
})

test('an ack that comes from outside later handles the message then; the next of its key waits for it, others do not', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append([{ id: 'a-1' }, { id: 'a-2' }], { key: 'a' })
  append([{ id: 'b-1' }], { key: 'b' })
  const acks = new Map<string, () => void>()
  const one = consumer().on(orders, ({ value }, { ack }) => void acks.set(value.id, ack), manual)
  const handled = handledOf(one)
  await start(one)
  await runtime.advance(500)
  expect([...acks.keys()]).toEqual(['a-1', 'b-1'])
  acks.get('b-1')!()
  await runtime.advance(200)
  expect([handled, committed()]).toEqual([[2n], 0n])
  acks.get('a-1')!()
  await runtime.runUntil(() => acks.has('a-2'))
  acks.get('a-2')!()
  await runtime.runUntil(() => committed() === 3n)
  expect(handled).toEqual([2n, 0n, 1n])
  await runtime.run(one.close())
})

test('a handler that returns something that is no outcome has acknowledged nothing by that: a number, a row, true', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(3))
  const returned: unknown[] = [7, Promise.resolve({ rows: 1 }), true]
  const acks: (() => void)[] = []
  const one = consumer().on(
    orders,
    ((_: unknown, { ack }: MessageContext) => {
      acks.push(ack)
      return returned[acks.length - 1]
    }) as () => void,
    manual,
  )
  const handled = handledOf(one)
  await start(one)
  for (let count = 1; count <= 3; count++) {
    await runtime.advance(500)
    expect([acks.length, handled.length]).toEqual([count, count - 1])
    acks[count - 1]!()
  }
  await runtime.runUntil(() => committed() === 3n)
  await runtime.run(one.close())
})

test('without an ack the attempt has failed when its time is over, however long ago it resolved: retried, then parked', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(1))
  const attempts: number[] = []
  const signals: AbortSignal[] = []
  const one = consumer().on(
    orders,
    (_, { attempt, signal }) => {
      attempts.push(attempt)
      signals.push(signal)
    },
    { ...manual, retry: { maxAttempts: 2, initialDelayMs: 100 } },
  )
  const timedOut: number[] = []
  const late: unknown[] = []
  one.listen('timed-out', ({ attempt }) => void timedOut.push(attempt))
  one.listen('late', (event) => late.push(event))
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect([attempts, timedOut, late]).toEqual([[1, 2], [1, 2], []])
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  expect(deadLetters()[0]!.headers).toMatchObject({
    'holdfast-dlq-error-code': 'HOLDFAST_HANDLER_TIMEOUT',
    'holdfast-dlq-error-message': expect.stringContaining('not acknowledged'),
    'holdfast-dlq-attempts': '2',
  })
  await runtime.run(one.close())
})

test('an ack twice, and one after the time is over, do nothing; the late one is in the debug log', async () => {
  const { consumer, append, runtime, start, committed, logged, deadLetters } = world()
  append(ids(2))
  const acks: (() => void)[] = []
  const one = consumer().on(orders, (_, { ack }) => void acks.push(ack), { ...manual, retry: once })
  const handled = handledOf(one)
  await start(one)
  await runtime.runUntil(() => acks.length === 1)
  acks[0]!()
  acks[0]!()
  await runtime.runUntil(() => acks.length === 2)
  await runtime.runUntil(() => committed() === 2n) // parked
  expect(logged.filter(({ level }) => level === 'debug')).toEqual([])
  acks[1]!()
  acks[0]!()
  await runtime.advance(5_000)
  expect([handled, deadLetters().length]).toEqual([[0n], 1])
  expect(logged.filter(({ level }) => level === 'debug')).toEqual([
    { level: 'debug', fields: { record: 'orders[0]@1', attempt: 1 }, message: expect.stringContaining('too late') },
  ])
  await runtime.run(one.close())
})

test('an ack of an attempt that has timed out does not acknowledge the next one', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(1))
  const acks: (() => void)[] = []
  const one = consumer().on(orders, (_, { ack }) => void acks.push(ack), {
    ...manual,
    retry: { maxAttempts: 2, initialDelayMs: 100 },
  })
  await start(one)
  await runtime.runUntil(() => acks.length === 2)
  acks[0]!()
  await runtime.runUntil(() => committed() === 1n)
  expect(deadLetters()).toHaveLength(1)
  await runtime.run(one.close())
})

test('a handler that ends after its time without an ack has handled nothing; with one it has', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  const calls: string[] = []
  const one = consumer().on(
    orders,
    async ({ value }, { attempt, ack }) => {
      calls.push(`${value.id} ${attempt}`)
      if (attempt === 1) await runtime.clock.sleep(5_000)
      if (attempt === 2 || value.id === 'o-2') ack()
    },
    { ...manual, retry: { maxAttempts: 2, initialDelayMs: 100 } },
  )
  const ended: string[] = []
  one.listen('late', (event) => void ended.push(event.ended))
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(calls).toEqual(['o-1 1', 'o-1 2', 'o-2 1'])
  expect(ended).toEqual(['resolved', 'resolved'])
  await runtime.run(one.close())
})

test('a handler that throws after its ack has failed: what it says last counts', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(2))
  const one = consumer().on(
    orders,
    ({ value }, { ack }) => {
      ack()
      if (value.id === 'o-1') throw new Error('after all')
      return Promise.reject(new Error('after all'))
    },
    { ...manual, retry: once },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(deadLetters()).toHaveLength(2)
  await runtime.run(one.close())
})

test('a handler that says what shall become of its message need not acknowledge it', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(4))
  const said = [park('no'), Promise.resolve(skip('by decision')), retryAfter(100), skip('done')]
  const one = consumer().on(orders, ({ value }) => (value.id === 'o-4' ? skip('last') : said.shift()!), manual)
  const events: string[] = []
  for (const name of ['parked', 'skipped', 'retrying', 'timed-out'] as const) one.listen(name, () => events.push(name))
  await start(one)
  await runtime.runUntil(() => committed() === 4n)
  expect(events).toEqual(['parked', 'skipped', 'retrying', 'skipped', 'skipped'])
  expect(deadLetters()).toHaveLength(1)
  await runtime.run(one.close())
})

test('a close waits for a missing ack no longer than its drain time, and leaves the message to the next owner', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  let signal: AbortSignal | undefined
  const one = consumer({ drainTimeoutMs: 2_000 }).on(
    orders,
    ({ value }, context) => {
      if (value.id === 'o-1') context.ack()
      else signal = context.signal
    },
    { ...manual, handlerTimeoutMs: 60_000 },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 1n && signal !== undefined)
  const began = runtime.clock.monotonic()
  await runtime.run(one.close())
  expect(runtime.clock.monotonic() - began).toBe(2_000)
  expect([signal!.aborted, committed()]).toEqual([true, 1n])
  const two = consumer({ process: 'two' }).on(orders, (_, { ack }) => ack(), manual)
  await start(two)
  await runtime.runUntil(() => committed() === 2n)
  await runtime.run(two.close())
})

test('an ack during the drain is in time: the message is committed', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  let ack = (): void => {}
  const one = consumer({ drainTimeoutMs: 5_000 }).on(orders, (_, context) => void (ack = context.ack), {
    ...manual,
    handlerTimeoutMs: 60_000,
  })
  await start(one)
  await runtime.advance(10)
  const closing = one.close()
  await runtime.advance(1_000)
  ack()
  await runtime.run(closing)
  expect(committed()).toBe(1n)
})

test('a message that waits for its ack keeps its lease, and is marked once', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append([{ id: 'a' }], { headers: [['holdfast-id', Buffer.from('a')]] })
  append([{ id: 'a' }], { headers: [['holdfast-id', Buffer.from('a')]] })
  let calls = 0
  let ack = (): void => {}
  const one = consumer().on(
    orders,
    (_, context) => {
      calls++
      ack = context.ack
    },
    { ack: 'manual', handlerTimeoutMs: 40_000, dedupe: { store: memoryDedupeStore({ runtime }), leaseMs: 41_000 } },
  )
  await start(one)
  await runtime.advance(30_000)
  expect(calls).toBe(1)
  ack()
  await runtime.runUntil(() => committed() === 2n)
  expect(calls).toBe(1)
  await runtime.run(one.close())
})

test('tombstones are acknowledged by hand too; with automatic acks an ack means nothing', async () => {
  const { consumer, append, runtime, start, committed, logged } = world()
  append([null])
  let ack = (): void => {}
  const one = consumer().on(orders, () => {}, { ...manual, onTombstone: (context) => void (ack = context.ack) })
  await start(one)
  await runtime.advance(500)
  expect(committed()).toBe(0n)
  ack()
  await runtime.runUntil(() => committed() === 1n)
  await runtime.run(one.close())

  append(ids(1))
  const two = consumer({ process: 'two' }).on(orders, (_, context) => void (ack = context.ack))
  await start(two)
  await runtime.runUntil(() => committed() === 2n)
  ack()
  expect(logged.filter(({ level }) => level === 'debug')).toEqual([])
  await runtime.run(two.close())
})

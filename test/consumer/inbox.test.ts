import { expect, test } from 'vitest'
import { park, retryAfter, skip } from '../../src/consumer/index.ts'
import { HoldfastError } from '../../src/errors/index.ts'
import { dedupeId } from '../../src/idempotency/index.ts'
import { memoryInbox } from '../helpers/memory-inbox.ts'
import { GROUP, ids, orders, world } from './world.ts'

const retry = { maxAttempts: 2, initialDelayMs: 100, jitter: 0 }
const withId = (id: string): [string, Uint8Array][] => [['holdfast-id', Buffer.from(id)]]
const idOf = (messageId: string): string => dedupeId({ groupId: GROUP, handler: 'orders', messageId })

test('what a handler writes through its transaction happens once, whoever sends the message again', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  append(ids(1), { headers: withId('a') })
  append(ids(1, 2), { headers: withId('b') })
  const inbox = memoryInbox()
  const duplicates: string[] = []
  const one = consumer().on(orders, ({ value }, { tx }) => tx.write(value.id), { inbox })
  one.listen('duplicate', ({ messageId }) => duplicates.push(messageId))
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect(inbox.effects).toEqual(['o-1', 'o-2'])
  expect(duplicates).toEqual(['a'])
  await runtime.run(one.close())
})

test('an attempt that fails leaves nothing behind, and one that follows starts anew', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1), { headers: withId('a') })
  const inbox = memoryInbox()
  const one = consumer().on(
    orders,
    (_, { tx, attempt }) => {
      tx.write(`attempt ${attempt}`)
      if (attempt === 1) throw new Error('fails')
    },
    { inbox, retry },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(inbox.effects).toEqual(['attempt 2'])
  await runtime.run(one.close())
})

test('a message is marked as parked after its park is acknowledged, and keeps nothing of what its handler wrote', async () => {
  const { consumer, append, runtime, start, committed, cluster, points, deadLetters } = world()
  append(ids(1), { headers: withId('a') })
  const inbox = memoryInbox()
  const parked = points.holdAt('park:acknowledged')
  const one = consumer().on(
    orders,
    (_, { tx }) => {
      tx.write('never')
      return park('no stock')
    },
    { inbox },
  )
  await start(one)
  await runtime.run(parked.reached)
  expect([cluster.records('orders.dlq').length, inbox.outcomeOf(idOf('a'))]).toEqual([1, undefined])
  parked.release()
  await runtime.runUntil(() => committed() === 1n)
  expect(inbox.outcomeOf(idOf('a'))).toBe('parked')
  expect(inbox.effects).toEqual([])
  expect(deadLetters()).toHaveLength(1)
  await runtime.run(one.close())
})

test('a skip keeps what was written and marks; a later attempt that was asked for keeps nothing', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  const inbox = memoryInbox()
  const one = consumer().on(
    orders,
    ({ value }, { tx, attempt }) => {
      tx.write(`${value.id} ${attempt}`)
      if (value.id === 'o-1') return skip('not ours')
      return attempt === 1 ? retryAfter(50) : undefined
    },
    { inbox, retry },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(inbox.effects).toEqual(['o-1 1', 'o-2 2'])
  await runtime.run(one.close())
})

test.each(['done', 'undone'] as const)(
  'a commit whose answer is lost is handled once, and is no duplicate of anybody (in truth it was %s)',
  async (truth) => {
    const { consumer, append, runtime, start, committed } = world()
    append(ids(1), { headers: withId('a') })
    const inbox = memoryInbox()
    inbox.loseCommit = truth
    const outcomes: string[] = []
    const one = consumer().on(orders, ({ value }, { tx }) => tx.write(value.id), { inbox })
    one.listen('handled', () => outcomes.push('handled'))
    one.listen('duplicate', () => outcomes.push('duplicate'))
    one.listen('retrying', () => outcomes.push('retrying'))
    await start(one)
    await runtime.runUntil(() => committed() === 1n)
    expect(inbox.effects).toEqual(['o-1'])
    expect(outcomes).toEqual(['handled'])
    await runtime.run(one.close())
  },
)

test('a database that is out pauses the partition, whatever error rules say, and uses up no attempt', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  const inbox = memoryInbox()
  const attempts: number[] = []
  const one = consumer().on(
    orders,
    ({ value }, { tx, attempt }) => {
      attempts.push(attempt)
      tx.write(value.id)
    },
    { inbox, retry, errors: [{ when: () => true, verdict: 'park' }] },
  )
  await start(one)
  inbox.down = true
  append(ids(3))
  await runtime.advance(60_000)
  expect(committed()).toBe(0n)
  expect(one.health().reasons.join()).toContain('HOLDFAST_STORE_UNAVAILABLE')
  inbox.down = false
  await runtime.runUntil(() => committed() === 3n)
  expect([inbox.effects, new Set(attempts), deadLetters()]).toEqual([['o-1', 'o-2', 'o-3'], new Set([1]), []])
  await runtime.run(one.close())
})

test('a message that kills its process each time is parked after its attempts, and the one behind it is handled', async () => {
  const { consumer, append, runtime, start, committed, cluster, deadLetters } = world()
  append(ids(2))
  const inbox = memoryInbox()
  for (let life = 1; life <= 2; life++) {
    let calls = 0
    const dies = consumer({ process: `dies-${life}` }).on(
      orders,
      () => {
        calls++
        cluster.unreachable(true, `dies-${life}`) // SIGKILL: nothing of it is heard again
        return new Promise<void>(() => {})
      },
      { inbox, retry, handlerTimeoutMs: 2_000_000_000 },
    )
    await start(dies)
    await runtime.runUntil(() => calls === 1)
    inbox.forget() // its connection ends with it
    cluster.expireSession(GROUP)
  }
  const lives = consumer({ process: 'lives' }).on(orders, ({ value }, { tx }) => tx.write(value.id), { inbox, retry })
  await start(lives)
  await runtime.runUntil(() => committed() === 2n)
  expect(inbox.effects).toEqual(['o-2'])
  expect(deadLetters().map(({ headers }) => headers['holdfast-dlq-attempts'])).toEqual(['2'])
  await runtime.run(lives.close())
})

test('a handler that is out of time loses its transaction: what it writes later is not kept', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const inbox = memoryInbox()
  const one = consumer().on(
    orders,
    async (_, { tx, attempt, signal }) => {
      if (attempt === 1) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        tx.write('late')
        return
      }
      tx.write('in time')
    },
    { inbox, retry, handlerTimeoutMs: 1_000 },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(inbox.effects).toEqual(['in time'])
  await runtime.run(one.close())
})

test('a record of an assignment is counted before it begins only while it may have killed the process before', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(20))
  const inbox = memoryInbox()
  let counted = 0
  const counting = { ...inbox, begin: (id: string) => (counted++, inbox.begin(id)) }
  const one = consumer({ concurrency: 4 }).on(orders, ({ value }, { tx }) => tx.write(value.id), { inbox: counting })
  await start(one)
  await runtime.runUntil(() => committed() === 20n)
  expect([counted, inbox.effects.length]).toEqual([8, 20])
  await runtime.run(one.close())
})

test('an inbox that cannot keep its promises keeps the consumer from starting; what has no meaning beside it is refused', async () => {
  const { consumer, start } = world()
  const inbox = memoryInbox()
  let handlers = 0
  const unfit = {
    ...inbox,
    async check(atATime: number) {
      handlers = atATime
      throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'its pool is too small')
    },
  }
  const one = consumer({ concurrency: 10 }).on(orders, () => {}, { inbox: unfit, concurrency: 4 })
  await expect(start(one)).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  expect(handlers).toBe(4)
  await one.close()

  const two = consumer().on(orders, () => {}, { inbox, ack: 'manual', dedupe: { store: {} as never } })
  await expect(start(two)).rejects.toThrow(
    /orders\.inbox: has no meaning beside dedupe[^]*orders\.ack: cannot be manual/,
  )
})

test('a batch is one transaction: all of it happens once, and what of it was done before is not in it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  for (const id of ['a', 'b', 'a', 'c']) append([{ id }], { headers: withId(id) })
  const inbox = memoryInbox()
  await inbox.handle(
    { messages: [{ id: idOf('b'), token: 'before' }], signal: new AbortController().signal, idleTimeoutMs: 1 },
    async () => ({ commit: true, value: null }),
  )
  const calls: string[][] = []
  const duplicates: string[] = []
  const one = consumer({ concurrency: 1 }).onBatch(
    orders,
    (messages, { tx }) => {
      calls.push(messages.map(({ id }) => id))
      for (const { id } of messages) tx.write(id)
    },
    { inbox },
  )
  one.listen('duplicate', ({ messageId }) => duplicates.push(messageId))
  await start(one)
  await runtime.runUntil(() => committed() === 4n)
  expect(inbox.effects.toSorted()).toEqual(['a', 'c'])
  expect(calls.flat().toSorted()).toEqual(['a', 'c'])
  expect(duplicates.toSorted()).toEqual(['a', 'b'])
  await runtime.run(one.close())
})

test('a batch with failed messages is rolled back whole and called anew without them; each of those is tried by itself', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(Array.from({ length: 6 }, (_, i) => ({ id: `o-${i}` })))
  const inbox = memoryInbox()
  const calls: string[] = []
  const one = consumer().onBatch(
    orders,
    (messages, batch) => {
      calls.push(messages.map(({ value }) => value.id.slice(2)).join(''))
      for (const message of messages) {
        batch.tx.write(message.value.id)
        const isBad = message.value.id === 'o-2' || (message.value.id === 'o-4' && messages.length === 5)
        if (isBad) batch.fail(message, new Error('bad'))
      }
    },
    { inbox, retry },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 6n)
  const whole = calls.find((call) => call.length > 1)!
  expect(whole).toContain('2')
  expect(inbox.effects.toSorted()).toEqual(['o-0', 'o-1', 'o-3', 'o-4', 'o-5'])
  expect(deadLetters()).toHaveLength(1)
  expect(calls.filter((call) => call === '2')).toHaveLength(1) // the first attempt was in the batch
  await runtime.run(one.close())
})

test.each(['on', 'onBatch'] as const)(
  'each try of a transaction that collides has the time of a handler: however often it loses, its message is not at fault (%s)',
  async (way) => {
    const { consumer, append, runtime, start, committed, cluster } = world()
    append(ids(2))
    const inbox = memoryInbox()
    inbox.collisions = 9
    const deadlines: number[] = []
    const options = { inbox, handlerTimeoutMs: 1_000, retry: { maxAttempts: 1 } }
    const slowly = async (): Promise<void> => {
      deadlines.push(runtime.clock.now())
      await runtime.clock.sleep(400)
    }
    const one = consumer()
    if (way === 'on')
      one.on(
        orders,
        async ({ value }, { tx, deadline }) => {
          expect(deadline.getTime() - runtime.clock.now()).toBe(1_000)
          await slowly()
          tx.write(value.id)
        },
        options,
      )
    else
      one.onBatch(
        orders,
        async (messages, { tx }) => {
          await slowly()
          for (const { value } of messages) tx.write(value.id)
        },
        options,
      )
    await start(one)
    await runtime.runUntil(() => committed() === 2n)
    expect(inbox.effects).toEqual(['o-1', 'o-2'])
    expect(deadlines.length).toBe(way === 'on' ? 11 : 10)
    expect(cluster.records('orders.dlq')).toEqual([])
    await runtime.run(one.close())
  },
)

test('a try that takes too long by itself is out of time, whatever collided before it', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append(ids(1))
  const inbox = memoryInbox()
  inbox.collisions = 1
  let calls = 0
  const one = consumer().on(orders, async () => runtime.clock.sleep(++calls === 1 ? 900 : 1_100), {
    inbox,
    handlerTimeoutMs: 1_000,
    retry: { maxAttempts: 1 },
  })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(cluster.records('orders.dlq')).toHaveLength(1)
  expect(inbox.effects).toEqual([])
  await runtime.run(one.close())
})

import { expect, test } from 'vitest'
import type { ErrorRule } from '../../src/consumer/index.ts'
import { park, pauseFor, retryAfter, skip } from '../../src/consumer/index.ts'
import { gate, GROUP, ids, orders, world } from './world.ts'

const retry = { maxAttempts: 3, initialDelayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0 }
const bad = [{ id: 'bad' }, { id: 'next' }]

test('a message is handled again after growing waits, then parked, and the next one follows', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(bad, {
    headers: [
      ['a', Buffer.from('1')],
      ['a', null],
      ['', Buffer.alloc(0)],
    ],
  })
  const calls: string[] = []
  const waits: number[] = []
  const one = consumer().on(
    orders,
    ({ value }, { attempt, redelivered }) => {
      calls.push(`${value.id} ${attempt} ${redelivered}`)
      if (value.id === 'bad') throw Object.assign(new RangeError('boom'), { code: 'E_BOOM' })
    },
    { retry },
  )
  one.listen('retrying', ({ delayMs }) => waits.push(delayMs))
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(calls).toEqual(['bad 1 false', 'bad 2 true', 'bad 3 true', 'next 1 false'])
  expect(waits).toEqual([100, 200])
  const [letter, ...others] = deadLetters()
  expect(others).toEqual([])
  expect(Buffer.from(letter!.record.value!).toString()).toBe('{"id":"bad"}')
  expect(Buffer.from(letter!.record.key!).toString()).toBe('k')
  expect(letter!.record.headers.slice(0, 3)).toEqual([
    ['a', new Uint8Array([49])],
    ['a', null],
    ['', new Uint8Array()],
  ])
  expect(letter!.headers).toMatchObject({
    'holdfast-dlq-topic': 'orders',
    'holdfast-dlq-partition': '0',
    'holdfast-dlq-offset': '0',
    'holdfast-dlq-timestamp': '1700000000000',
    'holdfast-dlq-group': 'inventory',
    'holdfast-dlq-attempts': '3',
    'holdfast-dlq-reason': 'handler-failed',
    'holdfast-dlq-error-class': 'RangeError',
    'holdfast-dlq-error-code': 'E_BOOM',
    'holdfast-dlq-error-message': 'boom',
    'holdfast-dlq-message-id': 'orders[0]@0',
  })
  await runtime.run(one.close())
})

test.each([
  ['bytes that are no JSON', Buffer.from('{"id": 4111111111111111'), 'decode-failed'],
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'decode-failed'],
  ['a value that does not fit its schema', Buffer.from('{"id":4111111111111111}'), 'schema-invalid'],
])('%s are parked at once, unchanged, uncalled, and not quoted in any header', async (_, bytes, reason) => {
  const { consumer, append, runtime, start, committed, deadLetters, logged } = world()
  append([bytes])
  let calls = 0
  const one = consumer().on(orders, () => void calls++, { retry })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(calls).toBe(0)
  const [letter] = deadLetters()
  expect(Buffer.from(letter!.record.value!)).toEqual(bytes)
  expect(letter!.headers).toMatchObject({ 'holdfast-dlq-reason': reason, 'holdfast-dlq-attempts': '0' })
  expect(
    JSON.stringify([letter!.headers, logged], (__, each: unknown) => (typeof each === 'bigint' ? String(each) : each)),
  ).not.toContain('4111')
  await runtime.run(one.close())
})

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

test.each([
  ['null', null],
  ['undefined', undefined],
  ['text', 'out of stock'],
  [
    'an object with throwing getters',
    new Proxy(
      {},
      {
        get: () => {
          throw new Error('no')
        },
      },
    ),
  ],
  ['a proxy that was revoked, at which instanceof throws', revokedProxy()],
  ['an AggregateError', new AggregateError([new Error('a')], 'many')],
])('whatever is thrown is retried and parked: %s', async (_, thrown) => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(bad)
  let calls = 0
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id !== 'bad') return
      calls++
      throw thrown
    },
    { retry },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(calls).toBe(3)
  expect(deadLetters()).toHaveLength(1)
  await runtime.run(one.close())
})

class Declined extends Error {}
const rule = (when: ErrorRule['when'], verdict: ErrorRule['verdict']): ErrorRule => ({ when, verdict })

test.each([
  ['a class', rule(Declined, 'park')],
  ['a code', rule({ code: 'DECLINED' }, 'park')],
  ['a predicate', rule((error) => error instanceof Error && error.message === 'declined', 'park')],
])('a rule by %s parks at the first failure', async (_, parks) => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(bad)
  let calls = 0
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id !== 'bad') return
      calls++
      throw Object.assign(new Declined('declined'), { code: 'DECLINED' })
    },
    { retry, errors: [rule(RangeError, 'skip'), parks] },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(calls).toBe(1)
  expect(deadLetters()[0]!.headers['holdfast-dlq-attempts']).toBe('1')
  await runtime.run(one.close())
})

test('a predicate that throws is no match and is logged, so that a bug in a rule drops nothing', async () => {
  const { consumer, append, runtime, start, committed, deadLetters, logged } = world()
  append(bad)
  const buggy = rule((error) => (error as { nope: { deep: boolean } }).nope.deep, 'skip')
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id === 'bad') throw new Error('no')
    },
    { retry: { maxAttempts: 1 }, errors: [buggy] },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(deadLetters()).toHaveLength(1)
  expect(logged.some(({ message }) => message.includes('an error rule threw'))).toBe(true)
  await runtime.run(one.close())
})

test('an outage pauses the partition instead of filling the dead letter topic: attempts do not count, health is red, it resumes', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(bad)
  let out = true
  const attempts: number[] = []
  const told: string[] = []
  const one = consumer().on(
    orders,
    (_, { attempt }) => {
      attempts.push(attempt)
      if (out) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    },
    { retry, errors: [rule({ code: 'ECONNREFUSED' }, 'pause')] },
  )
  one.listen('paused', ({ reason }) => told.push(`paused: ${reason}`))
  one.listen('resumed', () => told.push('resumed'))
  await start(one)
  await runtime.advance(60_000)
  expect(attempts.length).toBeGreaterThan(50)
  expect(new Set(attempts)).toEqual(new Set([1]))
  expect(committed()).toBe(0n)
  expect(one.health()).toMatchObject({
    status: 'unhealthy',
    reasons: ['orders[0]: a dependency of the handler is out (ECONNREFUSED)'],
  })
  out = false
  await runtime.runUntil(() => committed() === 2n)
  expect(told).toEqual(['paused: a dependency of the handler is out (ECONNREFUSED)', 'resumed'])
  expect(one.health()).toMatchObject({ status: 'healthy', reasons: [] })
  expect(deadLetters()).toEqual([])
  await runtime.run(one.close())
})

test('a rule can skip: told, counted, and the offset moves', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(bad)
  const skipped: string[] = []
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id === 'bad') throw new Declined('no')
    },
    { errors: [rule(Declined, 'skip')] },
  )
  one.listen('skipped', ({ reason }) => skipped.push(reason))
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(skipped).toEqual(['an error rule: Error'])
  expect(deadLetters()).toEqual([])
  await runtime.run(one.close())
})

test('a rule can stop the consumer: closed rejects, health says failed, and the record waits for the next start', async () => {
  const { consumer, append, runtime, start, committed, cluster } = world()
  append([{ id: 'fine' }, ...bad])
  const fatal = new Declined('no')
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id === 'bad') throw fatal
    },
    { errors: [rule(Declined, 'stop')] },
  )
  await start(one)
  await expect(runtime.run(one.closed)).rejects.toMatchObject({ code: 'HOLDFAST_STOPPED_BY_RULE', cause: fatal })
  expect(one.health()).toMatchObject({ state: 'failed', status: 'unhealthy' })
  expect(committed()).toBe(1n)
  expect(cluster.members('inventory')).toEqual([])
})

test('a handler can say what becomes of its message: park, skip, another time, a pause', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append([{ id: 'park' }, { id: 'skip' }, { id: 'later' }, { id: 'pause' }, { id: 'odd' }])
  const calls: string[] = []
  const at = (): number => runtime.clock.monotonic()
  const began = at()
  const one = consumer().on(
    orders,
    ({ value }, { attempt }) => {
      calls.push(`${value.id} ${attempt} ${Math.round((at() - began) / 1_000)}s`)
      const first = calls.filter((call) => call.startsWith(value.id)).length === 1
      if (value.id === 'park') return park('empty order')
      if (value.id === 'skip') return skip('not ours')
      if (value.id === 'later' && first) return retryAfter(7_000)
      if (value.id === 'pause' && first) return pauseFor(3_000)
      return value.id === 'odd' && first ? retryAfter(Number.NaN) : undefined
    },
    { retry },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 5n)
  expect(calls).toEqual([
    'park 1 0s',
    'skip 1 0s',
    'later 1 0s',
    'later 2 7s',
    'pause 1 7s',
    'pause 1 10s',
    'odd 1 10s',
    'odd 2 10s',
  ])
  expect(
    deadLetters().map(({ headers }) => [headers['holdfast-dlq-reason'], headers['holdfast-dlq-error-message']]),
  ).toEqual([['parked-by-handler', 'empty order']])
  await runtime.run(one.close())
})

test('a handler that asks for another time too often has used up its attempts', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append([{ id: 'later' }])
  const one = consumer().on(orders, () => retryAfter(10), { retry })
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(deadLetters()[0]!.headers).toMatchObject({
    'holdfast-dlq-attempts': '3',
    'holdfast-dlq-error-class': 'retryAfter',
  })
  await runtime.run(one.close())
})

test('without a dead letter topic an exhausted message is skipped by declaration', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append([...bad, Buffer.from('nonsense')])
  const skipped: string[] = []
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id === 'bad') throw new Error('no')
    },
    { retry, deadLetter: false, onExhausted: 'skip' },
  )
  one.listen('skipped', ({ reason }) => skipped.push(reason))
  await start(one)
  await runtime.runUntil(() => committed() === 3n)
  expect(skipped).toEqual(['handler-failed', 'decode-failed'])
  await runtime.run(one.close())
})

test('without a dead letter topic an exhausted message can hold its partition until somebody resumes it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(bad)
  let broken = true
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id === 'bad' && broken) throw new Error('no')
    },
    { retry, deadLetter: false, onExhausted: 'pause' },
  )
  await start(one)
  await runtime.runUntil(() => one.health().status === 'unhealthy')
  await runtime.advance(3_600_000)
  expect(committed()).toBe(0n)
  expect(one.health().reasons[0]).toMatch(/orders\[0\]@0 has failed for good/)
  broken = false
  one.resume(['orders'])
  await runtime.runUntil(() => committed() === 2n)
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test('an unwritable dead letter topic pauses its partition and drops nothing; it resumes by itself and parks once', async () => {
  const { consumer, append, runtime, start, committed, deadLetters, cluster } = world({ partitions: 2 })
  append(bad)
  append(ids(3), { partition: 1 })
  cluster.partitionUnwritable('orders.dlq', true)
  let calls = 0
  const one = consumer().on(
    orders,
    ({ value }) => {
      if (value.id !== 'bad') return
      calls++
      throw new Error('no')
    },
    { retry },
  )
  await start(one)
  await runtime.advance(600_000)
  expect([committed(0), committed(1)]).toEqual([0n, 3n])
  expect(one.health()).toMatchObject({ status: 'unhealthy' })
  expect(one.health().reasons[0]).toMatch(
    /^orders\[0\]: orders\[0\]@0 cannot be parked on orders\.dlq \(HOLDFAST_UNAVAILABLE\)/,
  )
  expect(calls).toBe(3)
  cluster.partitionUnwritable('orders.dlq', false)
  await runtime.runUntil(() => committed(0) === 2n)
  expect(calls).toBe(3)
  expect(deadLetters()).toHaveLength(1)
  expect(one.health().status).toBe('healthy')
  await runtime.run(one.close())
})

test.each(['indeterminate-written', 'indeterminate-lost'] as const)(
  'a park whose answer is lost (%s) is repeated: twice on the topic is better than never',
  async (failure) => {
    const { consumer, append, runtime, start, committed, deadLetters, cluster } = world()
    append(bad)
    cluster.failNextProduce('orders.dlq', failure)
    const one = consumer().on(
      orders,
      ({ value }) => {
        if (value.id === 'bad') throw new Error('no')
      },
      { retry: { maxAttempts: 1 } },
    )
    await start(one)
    await runtime.runUntil(() => committed() === 2n)
    expect(deadLetters()).toHaveLength(failure === 'indeterminate-written' ? 2 : 1)
    await runtime.run(one.close())
  },
)

test('a failure after the signal has aborted is no failure of the message: it is not parked', async () => {
  const { consumer, append, runtime, start, committed, deadLetters, points } = world()
  append(bad)
  const begun = gate()
  let signal: AbortSignal | undefined
  const drained = points.holdAt('revoke:drained') // still owned: a park would get through
  const one = consumer({ drainTimeoutMs: 1_000 }).on(
    orders,
    async (_, context) => {
      signal = context.signal
      begun.open()
      await runtime.clock.sleep(60_000, signal)
    },
    { retry: { maxAttempts: 1 } },
  )
  await start(one)
  await begun.opened
  const closing = one.close()
  await runtime.run(drained.reached)
  expect(signal?.aborted).toBe(true)
  await runtime.advance(1_000)
  drained.release()
  await runtime.run(closing)
  expect(deadLetters()).toEqual([])
  expect(committed()).toBe(0n)
})

test('the record at which a rule stops the consumer is handled once, though its session is lost while the others drain', async () => {
  const { consumer, append, runtime, start, cluster } = world()
  append([{ id: 'slow' }], { key: 'slow' })
  append([{ id: 'bad' }], { key: 'bad' })
  const hold = gate()
  let calls = 0
  const one = consumer({ sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000, drainTimeoutMs: 20_000 }).on(
    orders,
    ({ value }) => {
      if (value.id === 'slow') return hold.opened
      if (++calls < 1_000) throw new RangeError('no') // the test shall end where the consumer would not
      return undefined
    },
    { errors: [rule(RangeError, 'stop')] },
  )
  await start(one)
  await runtime.runUntil(() => calls > 0)
  cluster.expireSession(GROUP)
  await runtime.advance(15_000)
  hold.open()
  await expect(runtime.run(one.closed)).rejects.toMatchObject({ code: 'HOLDFAST_STOPPED_BY_RULE' })
  expect(calls).toBe(1)
})

test('nothing is handled between the rule that stops the consumer and its close: all partitions stop with it, at once', async () => {
  const { consumer, append, runtime, start, points } = world({ partitions: 2 })
  append(bad, { partition: 0 })
  const closing = points.holdAt('close:begin')
  const calls: string[] = []
  const one = consumer().on(
    orders,
    ({ value }) => {
      calls.push(value.id)
      if (value.id === 'bad' && calls.length < 1_000) throw new RangeError('no') // the test shall end where the consumer would not
    },
    { errors: [rule(RangeError, 'stop')] },
  )
  await start(one)
  await runtime.run(closing.reached)
  append(ids(3), { partition: 1 })
  await runtime.advance(5_000)
  expect(calls).toEqual(['bad'])
  closing.release()
  await expect(runtime.run(one.closed)).rejects.toMatchObject({ code: 'HOLDFAST_STOPPED_BY_RULE' })
})

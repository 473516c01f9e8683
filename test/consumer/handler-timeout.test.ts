import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { noFailpoint } from '../../src/clock/index.ts'
import { dedupeId, memoryDedupeStore } from '../../src/idempotency/index.ts'
import type { MessageContext } from '../../src/consumer/index.ts'
import { createEpoch } from '../../src/consumer/epoch.ts'
import { createHandlerTimeouts } from '../../src/consumer/handler-timeouts.ts'
import { virtualClock } from '../../src/testing/index.ts'
import type { World } from './world.ts'
import { gate, GROUP, ids, orders, world } from './world.ts'

const retry = { maxAttempts: 3, initialDelayMs: 1_000, factor: 1, jitter: 0 }
const session = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 }

/** One message each of the keys `a` and `b`, and a second of `a`. */
function appendThree({ append }: Pick<World, 'append'>): void {
  append([{ id: 'a1' }], { key: 'a' })
  append([{ id: 'a2' }], { key: 'a' })
  append([{ id: 'b1' }], { key: 'b' })
}

test('a handler that does not end in time has its signal aborted, and that is told', async () => {
  const { consumer, append, runtime, start, logged } = world()
  append(ids(1))
  const aborts: unknown[] = []
  const told: unknown[] = []
  const one = consumer().on(
    orders,
    async (_, { signal, attempt }) => {
      if (attempt > 1) return
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      aborts.push((signal.reason as { code: string }).code)
    },
    { handlerTimeoutMs: 5_000, retry },
  )
  one.listen('timed-out', (event) => told.push(event))
  one.listen('late', (event) => told.push(event))
  await start(one)
  const before = runtime.clock.monotonic()
  await runtime.runUntil(() => aborts.length === 1)
  expect(runtime.clock.monotonic() - before).toBe(5_000)
  await runtime.advance(0)
  const position = { topic: 'orders', partition: 0, offset: 0n }
  expect(aborts).toEqual(['HOLDFAST_HANDLER_TIMEOUT'])
  expect(told).toEqual([
    { position, attempt: 1, afterMs: 5_000 },
    { position, afterMs: 5_000, ended: 'resolved' },
  ])
  expect(logged).toContainEqual(
    expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ attempt: 1 }) }),
  )
  await runtime.run(one.close())
})

test('an imitation of a promise whose then throws is a failed attempt and no more: its time ends with it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const attempts: number[] = []
  const told: unknown[] = []
  const broken = {
    // oxlint-disable-next-line no-thenable -- the imitation
    then(): never {
      throw new Error('no promise')
    },
  }
  const one = consumer().on(
    orders,
    (_, { attempt }) => {
      attempts.push(attempt)
      return attempt === 1 ? (broken as unknown as Promise<void>) : undefined
    },
    { handlerTimeoutMs: 500, retry },
  )
  one.listen('timed-out', (event) => told.push(event))
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  await runtime.advance(10_000)
  expect({ attempts, told }).toEqual({ attempts: [1, 2], told: [] })
  await runtime.run(one.close())
})

test('a signal that is asked for only after the time is over has aborted', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(1))
  const seen: boolean[] = []
  const one = consumer().on(
    orders,
    async (_, context) => {
      await runtime.clock.sleep(2_000)
      seen.push(context.signal.aborted)
    },
    { handlerTimeoutMs: 1_000, retry },
  )
  await start(one)
  await runtime.runUntil(() => seen.length === 1)
  expect(seen).toEqual([true])
  await runtime.run(one.close())
})

test('the signal of a call that has ended aborts no more: what it started may go on', async () => {
  const { consumer, append, runtime, start } = world()
  append(ids(1))
  let signal: AbortSignal | undefined
  const one = consumer().on(
    orders,
    async (_, context) => {
      signal = context.signal
      await runtime.clock.sleep(1)
    },
    { handlerTimeoutMs: 1_000 },
  )
  await start(one)
  await runtime.advance(60_000)
  await runtime.run(one.close())
  expect(signal?.aborted).toBe(false)
})

test('a timeout is a failed attempt like any other: the next one follows, and the last one parks', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(1))
  const attempts: number[] = []
  const one = consumer().on(
    orders,
    async (_, { signal, attempt }) => {
      attempts.push(attempt)
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    },
    { handlerTimeoutMs: 1_000, retry },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  expect(attempts).toEqual([1, 2, 3])
  expect(deadLetters()[0]?.headers).toMatchObject({
    'holdfast-dlq-attempts': '3',
    'holdfast-dlq-error-code': 'HOLDFAST_HANDLER_TIMEOUT',
  })
  await runtime.run(one.close())
})

test('a timeout that the next attempt follows begins that only when the call has really ended, and the other keys go on', async () => {
  const all = world()
  appendThree(all)
  const hang = gate()
  const calls: string[] = []
  const one = all.consumer({ concurrency: 1 }).on(
    orders,
    async ({ value }, { attempt }) => {
      calls.push(`${value.id}#${attempt}`)
      if (value.id !== 'a1' || attempt > 1) return
      await hang.opened
      throw new Error('too late')
    },
    { handlerTimeoutMs: 1_000, retry },
  )
  await all.start(one)
  await all.runtime.advance(100_000)
  expect(calls).toEqual(['a1#1', 'b1#1'])
  expect(all.committed()).toBe(0n)
  expect(one.health().reasons).toEqual([
    'orders[0]: the handler of orders[0]@0 has timed out and has not ended; its key waits for that',
  ])
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 3n)
  expect(calls).toEqual(['a1#1', 'b1#1', 'a1#2', 'a2#1'])
  expect(one.health().status).toBe('healthy')
  await all.runtime.run(one.close())
})

test('a call that ends well before the next attempt has handled its message, and what it says counts', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(2))
  const calls: string[] = []
  const one = consumer().on(
    orders,
    async ({ value }) => {
      calls.push(value.id)
      await runtime.clock.sleep(1_500)
      return value.id === 'o-2' ? { kind: 'park', reason: 'said late' } : undefined
    },
    { handlerTimeoutMs: 1_000, retry },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(calls).toEqual(['o-1', 'o-2'])
  expect(deadLetters().map(({ headers }) => headers['holdfast-dlq-error-message'])).toEqual(['said late'])
  await runtime.run(one.close())
})

test('a rule can park what times out at once; its key waits all the same until the call has ended', async () => {
  const all = world()
  appendThree(all)
  const hang = gate()
  const calls: string[] = []
  const late: unknown[] = []
  const one = all.consumer().on(
    orders,
    async ({ value }) => {
      calls.push(value.id)
      if (value.id === 'a1') await hang.opened
    },
    { handlerTimeoutMs: 1_000, retry, errors: [{ when: { code: 'HOLDFAST_HANDLER_TIMEOUT' }, verdict: 'park' }] },
  )
  one.listen('late', (event) => late.push(event))
  await all.start(one)
  await all.runtime.runUntil(() => all.deadLetters().length === 1)
  await all.runtime.advance(30_000)
  expect(calls).toEqual(['a1', 'b1'])
  expect(all.committed()).toBe(1n) // the parked one; `a2` waits
  expect(one.health()).toMatchObject({
    reasons: ['orders[0]: the handler of orders[0]@0 has timed out and has not ended; its key waits for that'],
    partitions: [{ buffered: 1, underWay: 0 }],
  })
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 3n)
  expect(calls).toEqual(['a1', 'b1', 'a2'])
  expect(late).toEqual([expect.objectContaining({ ended: 'resolved' })])
  expect(one.health().status).toBe('healthy')
  await all.runtime.run(one.close())
})

test('a message that had timed out and was parked is neither handled nor parked again when its call fails at last', async () => {
  const { consumer, append, runtime, start, committed, deadLetters } = world()
  append(ids(1))
  const hang = gate()
  const handled: unknown[] = []
  const one = consumer().on(
    orders,
    async () => {
      await hang.opened
      throw new Error('late')
    },
    { handlerTimeoutMs: 1_000, retry: { maxAttempts: 1 } },
  )
  one.listen('handled', (event) => handled.push(event))
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  hang.open()
  await runtime.advance(30_000)
  expect([handled, deadLetters().length]).toEqual([[], 1])
  await runtime.run(one.close())
})

test('with a dedupe store the lease is let go, and the message begins anew when its call has failed', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append([{ id: 'a1' }], { headers: [['holdfast-id', Buffer.from('id-1')]] })
  const hang = gate()
  const memory = memoryDedupeStore({ runtime })
  const asked: string[] = []
  const store: typeof memory = {
    begin: (id, options) => (asked.push('begin'), memory.begin(id, options)),
    complete: (token, outcome) => (asked.push('complete'), memory.complete(token, outcome)),
    abandon: (token, attempts) => (asked.push(`abandon ${attempts}`), memory.abandon(token, attempts)),
    renew: (token, leaseMs) => (asked.push('renew'), memory.renew(token, leaseMs)),
  }
  const attempts: number[] = []
  const one = consumer().on(
    orders,
    async (_, { attempt }) => {
      attempts.push(attempt)
      if (attempts.length > 1) return
      await hang.opened
      throw new Error('late')
    },
    { handlerTimeoutMs: 5_000, retry, dedupe: { store, leaseMs: 6_000 } },
  )
  await start(one)
  await runtime.advance(4_900)
  expect(asked).toContain('renew')
  await runtime.advance(200)
  asked.length = 0
  await runtime.advance(60_000)
  expect(asked).toEqual([]) // nobody renews the lease of a call that may never end
  hang.open()
  await runtime.runUntil(() => committed() === 1n)
  expect(asked.filter((call) => call !== 'renew')).toEqual(['abandon 1', 'begin', 'complete'])
  expect(attempts).toEqual([1, 2])
  await runtime.run(one.close())
})

test('with a dedupe store too, a call that ends well before the next attempt has handled its message, unless somebody else began it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(2))
  const store = memoryDedupeStore({ runtime })
  const calls: string[] = []
  const told: string[] = []
  const one = consumer().on(
    orders,
    async ({ value, id }, { attempt }) => {
      calls.push(`${value.id}#${attempt}`)
      await runtime.clock.sleep(60_000)
      if (value.id === 'o-1') return
      const stolen = await store.begin(dedupeId({ groupId: GROUP, handler: 'orders', messageId: id }), {
        leaseMs: 1_000,
      })
      if (stolen.kind === 'started') await store.complete(stolen.token, 'handled')
    },
    { handlerTimeoutMs: 1_000, retry, dedupe: { store, leaseMs: 3_000 } },
  )
  one.listen('handled', ({ messageId }) => told.push(`handled ${messageId}`))
  one.listen('duplicate', ({ messageId }) => told.push(`duplicate ${messageId}`))
  await start(one)
  await runtime.runUntil(() => committed() === 2n)
  expect(calls).toEqual(['o-1#1', 'o-2#1'])
  expect(told).toEqual(['handled orders[0]@0', 'duplicate orders[0]@1'])
  await runtime.run(one.close())
})

test('a close does not wait for calls that have timed out: they had their time', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  const one = consumer({ drainTimeoutMs: 10_000 }).on(orders, () => new Promise<void>(() => {}), {
    handlerTimeoutMs: 1_000,
    retry,
  })
  await start(one)
  await runtime.advance(5_000)
  const before = runtime.clock.monotonic()
  await runtime.run(one.close())
  expect([runtime.clock.monotonic() - before, committed()]).toEqual([0, 0n])
})

test('a call that times out takes no place from the others, however many hang', async () => {
  const { consumer, append, runtime, start } = world()
  for (let i = 0; i < 6; i++) append([{ id: `o-${i}` }], { key: `k${i}` })
  const begun: string[] = []
  const one = consumer({ concurrency: 2, drainTimeoutMs: 100 }).on(
    orders,
    async ({ value }) => {
      begun.push(value.id)
      await new Promise<void>(() => {})
    },
    { handlerTimeoutMs: 1_000, retry },
  )
  await start(one)
  await runtime.advance(5_000)
  expect(begun).toHaveLength(6)
  await runtime.run(one.close())
})

test('a timeout of a call whose epoch is gone changes nothing, and its key waits in the next one', async () => {
  const all = world()
  appendThree(all)
  const hang = gate()
  const calls: string[] = []
  const one = all.consumer(session).on(
    orders,
    async ({ value }) => {
      calls.push(value.id)
      if (calls.length === 1) await hang.opened
    },
    { handlerTimeoutMs: 20_000, retry },
  )
  await all.start(one)
  await all.runtime.runUntil(() => calls.length === 2)
  all.cluster.expireSession(GROUP)
  await all.runtime.advance(60_000)
  expect(calls).toEqual(['a1', 'b1', 'b1'])
  hang.open()
  await all.runtime.runUntil(() => all.committed() === 3n)
  expect(calls).toEqual(['a1', 'b1', 'b1', 'a1', 'a2'])
  expect(all.deadLetters()).toEqual([])
  await all.runtime.run(one.close())
})

interface Call {
  readonly ms: number
  readonly heedsSignal: boolean
  readonly fails: boolean
}

test('law: whatever handlers, timeouts and the group do, no key is in two handlers of a process, first effects keep its order, and all is handled', async () => {
  const call: fc.Arbitrary<Call> = fc.record({
    ms: fc.constantFrom(0, 1, 20, 90, 150, 400, 3_000),
    heedsSignal: fc.boolean(),
    fails: fc.boolean(),
  })
  const disturbance = fc.record({
    afterMs: fc.integer({ min: 1, max: 700 }),
    kind: fc.constantFrom('join' as const, 'leave' as const, 'lose' as const, 'crash' as const),
  })
  const records = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), partition: fc.nat(1) }), {
    minLength: 1,
    maxLength: 14,
  })
  await fc.assert(
    fc.asyncProperty(
      records,
      fc.array(call, { maxLength: 40 }),
      fc.array(disturbance, { maxLength: 4 }),
      fc.record({
        handlerTimeoutMs: fc.constantFrom(50, 100, 10_000),
        drainTimeoutMs: fc.constantFrom(0, 60, 1_000),
        concurrency: fc.integer({ min: 1, max: 5 }),
        ordering: fc.constantFrom('key' as const, 'partition' as const, 'none' as const),
        dedupes: fc.boolean(),
        stopsAtFailpoints: fc.boolean(),
      }),
      async (
        sent,
        calls,
        disturbances,
        { handlerTimeoutMs, drainTimeoutMs, concurrency, ordering, dedupes, stopsAtFailpoints },
      ) => {
        const all = world({ partitions: 2 })
        const { runtime, cluster } = all
        const undisturbed = { ...runtime, failpoint: noFailpoint } // as in production: nothing is awaited that is there
        const counts = [0, 0]
        sent.forEach(({ key, partition }, i) => {
          all.append([{ id: `${i}` }], { partition, key, headers: [['holdfast-id', Buffer.from(`id-${i}`)]] })
          counts[partition]!++
        })
        const store = dedupes ? memoryDedupeStore({ runtime }) : null
        const running = new Set<string>()
        const effects: string[] = []
        const wrong: string[] = []
        let made = 0
        const handlerOf =
          (process: string) =>
          async ({ value }: { value: { id: string } }, context: MessageContext): Promise<void> => {
            const { key, partition } = sent[Number(value.id)]!
            const lane = { key: `${partition}-${key}`, partition: `${partition}`, none: `#${value.id}` }[ordering]
            const mine = `${process}:${lane}`
            if (running.has(mine)) wrong.push(`two of ${mine} at once`)
            running.add(mine)
            const { ms, heedsSignal, fails } = calls[made++] ?? { ms: 1, heedsSignal: true, fails: false }
            try {
              await runtime.clock.sleep(ms, heedsSignal ? context.signal : undefined)
              if (fails) throw new Error('no')
              effects.push(value.id)
            } finally {
              running.delete(mine)
            }
          }
        const make = (process: string) =>
          all
            .consumer({
              ...session,
              process,
              runtime: stopsAtFailpoints ? runtime : undisturbed,
              concurrency,
              drainTimeoutMs,
              commitIntervalMs: 20,
            })
            .on(orders, handlerOf(process), {
              ordering,
              handlerTimeoutMs,
              retry: { maxAttempts: 1_000, initialDelayMs: 10, factor: 1, maxDelayMs: 10 },
              ...(store && { dedupe: { store, leaseMs: handlerTimeoutMs + 1_000 } }),
            })
        const isDone = (): boolean => [0, 1].every((p) => (all.committed(p) ?? 0n) === BigInt(counts[p]!))
        const checkCommits = (): void => {
          for (const p of [0, 1]) {
            const below = sent.map((each, i) => ({ ...each, i })).filter(({ partition }) => partition === p)
            for (const { i } of below.slice(0, Number(all.committed(p) ?? 0n)))
              if (!effects.includes(`${i}`)) wrong.push(`${i} is committed and was not handled`)
          }
        }

        const one = make('one')
        await all.start(one)
        let two: ReturnType<typeof make> | null = null
        for (const { afterMs, kind } of disturbances) {
          await runtime.advance(afterMs)
          checkCommits()
          if (kind === 'join' && two === null) {
            two = make('two')
            two.start().catch(() => {})
          } else if (kind === 'leave' && two !== null) {
            await runtime.run(two.close())
            two = null
          } else if (kind === 'lose') cluster.expireSession(GROUP)
          else if (kind === 'crash') cluster.crashConsumer(GROUP)
        }
        await runtime.runUntil(isDone)
        checkCommits()
        expect(wrong).toEqual([])
        expect(new Set(effects).size).toBe(sent.length)
        const firsts = [...new Set(effects)].map(Number)
        if (ordering !== 'none') {
          for (const p of [0, 1]) {
            for (const k of ordering === 'key' ? ['a', 'b', 'c', 'd'] : [null]) {
              const of = firsts.filter((i) => sent[i]!.partition === p && (k === null || sent[i]!.key === k))
              expect(of).toEqual(of.toSorted((x, y) => x - y))
            }
          }
        }
        expect(all.deadLetters()).toEqual([])
        await runtime.run(Promise.all([one.close(), two?.close()]))
      },
    ),
    { numRuns: 100 },
  )
}, 60_000)

test('hundreds of handlers with a signal, and of messages that wait, make Node warn of no leak', async () => {
  const { consumer, append, runtime, start, committed } = world()
  for (let i = 0; i < 100; i++) append([{ id: `${i}` }], { key: `k${i}` })
  const warnings: string[] = []
  const onWarning = ({ name }: Error): void => void warnings.push(name)
  process.on('warning', onWarning)
  const one = consumer({ concurrency: 40 }).on(
    orders,
    async (_, { signal, attempt }) => {
      await runtime.clock.sleep(10, signal)
      if (attempt === 1) throw new Error('once')
    },
    { retry: { initialDelayMs: 1_000 } },
  )
  await start(one)
  await runtime.runUntil(() => committed() === 100n)
  await runtime.run(one.close())
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
})

test('an epoch knows who listens only as long as they do, and listening costs the same however many there are', () => {
  const epoch = createEpoch({ topic: 'orders', partition: 0 }, 1, null)
  const added = vi.spyOn(EventTarget.prototype, 'addEventListener')
  const heard: string[] = []
  try {
    const ends = ['a', 'b', 'c'].map((name) => epoch.onAbort(() => heard.push(name)))
    epoch.onStop(() => heard.push('stop'))()
    epoch.onStop(() => heard.push('stopped'))
    ends[1]!()
    epoch.abort(new Error('over'))
    epoch.end(new Error('over'))
    expect(heard).toEqual(['stopped', 'a', 'c'])
    expect(added).not.toHaveBeenCalled()
    expect(epoch.ownStop().signal.aborted).toBe(true)
  } finally {
    added.mockRestore()
  }
})

test('a signal that is asked for after the call has ended is one that never aborts, and nobody holds on to it', async () => {
  const { consumer, append, runtime, start, committed } = world()
  append(ids(1))
  let kept: MessageContext | undefined
  const one = consumer().on(orders, (_, context) => void (kept = context))
  await start(one)
  await runtime.runUntil(() => committed() === 1n)
  const { signal } = kept!
  await runtime.run(one.close())
  expect(signal.aborted).toBe(false)
})

test('one timer watches all calls of a handler, each is told when its own time is over, and those that ended are not', async () => {
  const clock = virtualClock()
  const timeouts = createHandlerTimeouts(clock, 1_000)
  const told: string[] = []
  const watch = (name: string) => {
    const call = {
      earlier: null,
      later: null,
      chained: false,
      dueAt: 0,
      onTimeout: () => void told.push(`${name}@${clock.monotonic() - 1_000}`),
    }
    timeouts.watch(call)
    return call
  }
  watch('a')
  const b = watch('b')
  await clock.advance(400)
  watch('c')
  await clock.advance(400)
  timeouts.end(b)
  watch('d')
  expect(clock.pending).toBe(1)
  await clock.advance(10_000)
  expect(told).toEqual(['a@1000', 'c@1400', 'd@1800'])
  expect(clock.pending).toBe(0)
  watch('e')
  timeouts.close()
  expect(clock.pending).toBe(0)
})

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { headerText, textHeader } from '../../src/record/index.ts'
import type { SendObservation, Telemetry } from '../../src/telemetry/index.ts'
import type { SendableTopic } from '../../src/topic/index.ts'
import { defineTopic } from '../../src/topic/index.ts'
import { failureOf, letters, notes, refuse, world } from './world.ts'

/** Letters whose validator first waits for something. */
const slowLetters = (wait: (value: string) => Promise<unknown>): SendableTopic<string> =>
  defineTopic({
    name: 'letters',
    schema: z.string().refine(async (value) => {
      await wait(value)
      return true
    }),
    key: () => 'k',
  })

describe('send', () => {
  test('resolves with the place of the message, which carries its id and where it comes from', async () => {
    const { producer, cluster } = world()
    expect(await producer.send(letters, 'k1:a', { id: 'mine' })).toEqual({
      id: 'mine',
      topic: 'letters',
      partition: 0,
      offset: 0n,
    })
    const [record] = cluster.records('letters')
    expect(headerText(record!.headers, 'holdfast-id')).toBe('mine')
    expect(headerText(record!.headers, 'holdfast-source')).toBe('shop')
    expect(Buffer.from(record!.key!).toString()).toBe('k1')
    await producer.close()
  })

  test('puts a key on the partition where Java’s client puts it', async () => {
    const { producer } = world({ partitions: 6 })
    // test/broker/producer/partitioner.test.ts holds these keys, and thousands more, against Java's own client.
    const placed = await Promise.all(['k1:', 'k2:', 'order-1:'].map((value) => producer.send(letters, value)))
    expect(placed.map(({ partition }) => partition)).toEqual([5, 3, 4])
    await producer.close()
  })

  test('reports what is wrong with the value and with the options together, and sends nothing', async () => {
    const { producer, driver } = world()
    const error = await failureOf(
      producer.send(letters, 5 as never, { id: '', deliveryTimeoutMs: 0, signal: {} as never }),
    )
    expect(error.code).toBe('HOLDFAST_MESSAGE_INVALID')
    expect(error.problems.map(({ path }) => path)).toEqual(['(value)', '(id)', '(deliveryTimeoutMs)', '(signal)'])
    expect(driver.batches).toEqual([])
  })

  test('a tombstone has the key and no value', async () => {
    const { producer, cluster } = world()
    await producer.sendTombstone(letters, 'k1')
    const [record] = cluster.records('letters')
    expect([Buffer.from(record!.key!).toString(), record!.value]).toEqual(['k1', null])
  })

  test('keeps the order of the calls also when an asynchronous validator answers the second one first', async () => {
    const { producer, runtime, logOf } = world()
    const slowFirst = z.string().refine(async (value) => {
      await runtime.clock.sleep(value.endsWith('first') ? 100 : 1)
      return true
    })
    const topic = defineTopic({ name: 'letters', schema: slowFirst, key: () => 'k' })
    await runtime.run(Promise.all(['first', 'second', 'third'].map((value) => producer.send(topic, value))))
    expect(logOf('letters')).toEqual([['first', 'second', 'third']])
  })

  test('one whose validator never answers holds its topic up until its own timeout, not for ever', async () => {
    const { producer, runtime, logOf } = world()
    const topic = defineTopic({
      name: 'letters',
      schema: z.string().refine((value) => (value === 'hung' ? new Promise<boolean>(() => {}) : true)),
      key: () => 'k',
    })
    const hung = failureOf(producer.send(topic, 'hung', { deliveryTimeoutMs: 500 }))
    const next = producer.send(topic, 'next')
    expect((await runtime.run(hung)).code).toBe('HOLDFAST_DELIVERY_TIMEOUT')
    await next
    expect(logOf('letters')).toEqual([['next']])
  })

  test('a message larger than maxRequestBytes is refused unsent', async () => {
    const { producer, driver } = world({ maxRequestBytes: 1_000 })
    const error = await failureOf(producer.send(letters, 'x'.repeat(1_000)))
    expect(error.code).toBe('HOLDFAST_RECORD_TOO_LARGE')
    expect(driver.batches).toEqual([])
  })

  test('without types options that are none, or throw while they are read, are a clear error', async () => {
    const { producer, driver } = world()
    const throws = (name: string): object =>
      Object.defineProperty({}, name, {
        get: () => {
          throw new TypeError('4111-1111')
        },
      })
    for (const options of [null, throws('id'), throws('signal'), throws('deliveryTimeoutMs')]) {
      const error = await failureOf(producer.send(letters, 'k1:a', options as never))
      expect([error.code, error.problems.map(({ path }) => path)]).toEqual(['HOLDFAST_MESSAGE_INVALID', ['(options)']])
      expect(error.message).not.toContain('4111')
    }
    expect(driver.batches).toEqual([])
  })

  test('without types a name in place of a topic is a clear error', async () => {
    const { producer } = world()
    const error = await failureOf(producer.send('letters' as never, 'a' as never))
    expect(error.problems).toEqual([{ path: '(topic)', message: 'must come from defineTopic' }])
  })
})

describe('sendMany', () => {
  test('reports the problems of all messages by index, topic and field, and sends none of them', async () => {
    const { producer, driver } = world()
    const orders = defineTopic({
      name: 'orders',
      schema: z.object({ items: z.array(z.object({ sku: z.string() })) }),
      key: () => 'k',
    })
    const error = await failureOf(
      producer.sendMany([
        { topic: letters, value: 'k1:a' },
        { topic: orders, value: { items: [{ sku: 'a' }, { sku: 5 as never }] } },
        { topic: letters, value: ':no key', id: '' },
      ]),
    )
    expect(error.code).toBe('HOLDFAST_MESSAGE_INVALID')
    expect(error.problems.map(({ path }) => path)).toEqual([
      '[1] orders: items[1].sku',
      '[2] letters: (key)',
      '[2] letters: (id)',
    ])
    expect(driver.batches).toEqual([])
  })

  test('answers in the order of the messages, and one that is refused fails alone', async () => {
    const { producer, driver, logOf } = world()
    driver.answer = ({ records }, { values }) =>
      values.includes('"k1:bad"') ? refuse(records, 'HOLDFAST_REFUSED') : undefined
    const outcomes = await producer.sendMany([
      { topic: notes, value: 'note' },
      { topic: letters, value: 'k1:a' },
      { topic: letters, value: 'k1:bad' },
      { topic: letters, value: 'k1:b' },
    ])
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.result.topic : outcome.error.code))).toEqual([
      'notes',
      'letters',
      'HOLDFAST_REFUSED',
      'letters',
    ])
    expect(logOf('letters')).toEqual([['k1:a', 'k1:b']])
  })

  test('with an asynchronous validator keeps its place among the sends that come after it', async () => {
    const { producer, runtime, logOf } = world()
    const slow = slowLetters((value) => runtime.clock.sleep(value === 'k:1' ? 100 : 1))
    const many = producer.sendMany([
      { topic: slow, value: 'k:1' },
      { topic: notes, value: '1' },
    ])
    const later = [producer.send(slow, 'k:2'), producer.send(notes, '2')]
    await runtime.run(Promise.all([many, ...later]))
    expect([logOf('letters'), logOf('notes')]).toEqual([[['k:1', 'k:2']], [['1', '2']]])
  })

  test('with an asynchronous validator sends nothing when one message does not fit, and names all problems', async () => {
    const { producer, runtime, driver } = world()
    const slow = slowLetters(() => runtime.clock.sleep(1))
    const many = failureOf(
      producer.sendMany(
        [
          { topic: slow, value: 'k:1' },
          { topic: slow, value: 5 as never },
          { topic: notes, value: '1' },
        ],
        { deliveryTimeoutMs: 0 },
      ),
    )
    const error = await runtime.run(many)
    expect(error.problems.map(({ path }) => path)).toEqual(['(deliveryTimeoutMs)', '[1] letters: (value)'])
    expect(driver.batches).toEqual([])
  })

  test('whose validator never answers ends at its timeout, its signal and the close, as a send does', async () => {
    const { producer, runtime } = world()
    const hung = slowLetters(() => new Promise(() => {}))
    const codes = async (options: object): Promise<unknown> =>
      (await producer.sendMany([{ topic: hung, value: 'k:1' }], options)).map((each) =>
        each.ok ? 'ok' : each.error.code,
      )
    const caller = new AbortController()
    const [late, aborted, closed] = [codes({ deliveryTimeoutMs: 100 }), codes({ signal: caller.signal }), codes({})]
    caller.abort()
    expect(await aborted).toEqual(['HOLDFAST_ABORTED'])
    expect(await runtime.run(late)).toEqual(['HOLDFAST_DELIVERY_TIMEOUT'])
    await runtime.run(producer.close({ timeoutMs: 100 }))
    expect(await closed).toEqual(['HOLDFAST_CLOSED'])
  })

  test('whose validators are slow is seen by flush, and does not see what its caller does to the list', async () => {
    const { producer, runtime, logOf } = world()
    const slow = slowLetters(() => runtime.clock.sleep(100))
    const messages = [{ topic: slow, value: 'k:1' }]
    const many = producer.sendMany(messages)
    messages.length = 0
    await runtime.run(producer.flush())
    expect(logOf('letters')).toEqual([['k:1']])
    expect(await many).toHaveLength(1)
  })

  test('without types what is no list of messages is a clear error', async () => {
    const { producer } = world()
    const hostile = Object.defineProperty({}, 'topic', {
      get: () => {
        throw new TypeError('4111-1111')
      },
    })
    const paths = async (messages: unknown, options?: unknown): Promise<readonly string[]> =>
      (await failureOf(producer.sendMany(messages as never, options as never))).problems.map(({ path }) => path)
    expect(await paths(null)).toEqual(['(messages)'])
    expect(await paths([null, hostile, { topic: notes, value: 'a' }])).toEqual([
      '[0] (no topic): (message)',
      '[1] (no topic): (message)',
    ])
    expect(await paths([], null)).toEqual(['(options)'])
  })

  test('of nothing is nothing', async () => {
    expect(await world().producer.sendMany([])).toEqual([])
  })
})

describe('sendAndForget', () => {
  test('sends, and tells of failures alone', async () => {
    const { producer, logOf } = world()
    const errors: string[] = []
    producer.sendAndForget(letters, 'k1:a', (error) => errors.push(error.code))
    producer.sendAndForget(letters, 5 as never, (error) => errors.push(error.code))
    await producer.flush()
    expect(errors).toEqual(['HOLDFAST_MESSAGE_INVALID'])
    expect(logOf('letters')).toEqual([['k1:a']])
  })

  test('outlives an onError that throws or rejects: what comes after it on the partition is sent, and the log says so', async () => {
    const { producer, driver, logOf, lines } = world()
    driver.answer = ({ records }) => refuse(records, 'HOLDFAST_REFUSED')
    producer.sendAndForget(letters, 'k1:a', () => {
      throw new TypeError('4111-1111')
    })
    producer.sendAndForget(letters, 'k1:b', (async () => {
      throw new RangeError('4111-1111')
    }) as () => void)
    await producer.flush()
    driver.answer = undefined
    await producer.send(letters, 'k1:c')
    expect(logOf('letters')).toEqual([['k1:c']])
    await producer.close()
    producer.sendAndForget(letters, 'k1:d', () => {
      throw new SyntaxError('4111-1111')
    })
    expect(lines.filter((line) => line.includes('onError'))).toEqual([
      expect.stringContaining('TypeError'),
      expect.stringContaining('RangeError'),
      expect.stringContaining('SyntaxError'),
    ])
    expect(lines.join()).not.toContain('4111')
  })

  test('without types a missing onError is refused at the call, before anything is sent', async () => {
    const { producer, driver } = world()
    expect(() => producer.sendAndForget(letters, 'k1:a', undefined as never)).toThrow(
      expect.objectContaining({ code: 'HOLDFAST_CONFIG_INVALID' }),
    )
    await producer.flush()
    expect(driver.batches).toEqual([])
  })
})

describe('telemetry', () => {
  const observe = (headers: SendObservation['headers']): { telemetry: Telemetry; seen: unknown[] } => {
    const seen: unknown[] = []
    const telemetry: Telemetry = {
      sending(description) {
        seen.push(description)
        return {
          headers,
          succeeded: (partition, offset) => void seen.push([partition, offset]),
          failed: (type) => void seen.push(type),
        }
      },
      creating: () => {
        throw new Error('a producer leaves nothing to be sent later')
      },
      processing: () => {
        throw new Error('a producer processes nothing')
      },
    }
    return { telemetry, seen }
  }

  test('watches each message once, from its bytes to its end, and its headers travel with it', async () => {
    const { telemetry, seen } = observe([textHeader('traceparent', '00-1'), textHeader('tracestate', 'a=1')])
    const { producer, cluster, driver } = world({ telemetry })
    await producer.send(letters, 'k1:a', { id: 'one' })
    driver.answer = ({ records }) => refuse(records, 'HOLDFAST_REFUSED')
    await failureOf(producer.sendTombstone(letters, 'k2', { id: 'two' }))
    expect(seen).toEqual([
      { topic: 'letters', messageId: 'one', tombstone: false, key: 'k1' },
      [0, 0n],
      { topic: 'letters', messageId: 'two', tombstone: true, key: 'k2' },
      'HOLDFAST_REFUSED',
    ])
    const { headers } = cluster.records('letters')[0]!
    expect(headerText(headers, 'traceparent')).toBe('00-1')
    expect(headerText(headers, 'tracestate')).toBe('a=1')
  })

  test('never replaces or completes a trace that the caller set', async () => {
    const { telemetry } = observe([textHeader('traceparent', '00-1'), textHeader('tracestate', 'a=1')])
    const { producer, cluster } = world({ telemetry })
    await producer.send(letters, 'k1:a', { headers: { traceparent: '00-mine' } })
    const trace = cluster.records('letters')[0]!.headers.filter(([name]) => name.startsWith('trace'))
    expect(trace.map(([name, value]) => `${name}=${Buffer.from(value!).toString()}`)).toEqual(['traceparent=00-mine'])
  })
})

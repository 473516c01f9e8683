import { describe, expect, test } from 'vitest'
import { failureOf, letters, refuse, world } from './world.ts'

describe('what certainly was not written', () => {
  test('is written again until it is, in its order, and what comes later waits behind it', async () => {
    const { producer, driver, runtime, logOf } = world()
    let failures = 5
    driver.answer = ({ records }) => (failures-- > 0 ? refuse(records, 'HOLDFAST_UNAVAILABLE', true) : undefined)
    const sends = ['k:1', 'k:2'].map((value) => producer.send(letters, value))
    await runtime.advance(150)
    sends.push(producer.send(letters, 'k:3'))
    await runtime.run(Promise.all(sends))
    expect(logOf('letters')).toEqual([['k:1', 'k:2', 'k:3']])
  })

  test('waits longer from time to time, up to a second, so that a cluster that comes back is not stormed', async () => {
    const { producer, cluster, driver, runtime } = world()
    await producer.send(letters, 'k:0')
    cluster.partitionUnwritable('letters', true)
    const send = failureOf(producer.send(letters, 'k:1', { deliveryTimeoutMs: 10_000 }))
    await runtime.advance(9_000)
    expect(driver.batches.length).toBeLessThan(16)
    expect((await runtime.run(send)).code).toBe('HOLDFAST_DELIVERY_TIMEOUT')
  })

  test('fails at its timeout as not written, with the reason as cause', async () => {
    const { producer, driver, runtime } = world({ deliveryTimeoutMs: 2_000 })
    driver.answer = ({ records }) => refuse(records, 'HOLDFAST_UNAVAILABLE', true)
    const started = runtime.clock.monotonic()
    const error = await runtime.run(failureOf(producer.send(letters, 'k:1')))
    expect(error).toMatchObject({ code: 'HOLDFAST_DELIVERY_TIMEOUT', cause: { code: 'HOLDFAST_UNAVAILABLE' } })
    expect(runtime.clock.monotonic() - started).toBe(2_000)
  })

  test('is not written again when it will never be', async () => {
    const { producer, driver } = world()
    driver.answer = ({ records }) => refuse(records, 'HOLDFAST_NOT_AUTHORIZED')
    expect((await failureOf(producer.send(letters, 'k:1'))).code).toBe('HOLDFAST_NOT_AUTHORIZED')
    expect(driver.batches).toHaveLength(1)
  })

  test('waits for a cluster that cannot be reached, and connects by itself when it can', async () => {
    const { producer, cluster, runtime, logOf } = world()
    cluster.unreachable(true)
    const sends = ['k:1', 'k:2'].map((value) => producer.send(letters, value))
    await runtime.advance(5_000)
    cluster.unreachable(false)
    await runtime.run(Promise.all(sends))
    expect(logOf('letters')).toEqual([['k:1', 'k:2']])
  })

  test('fails when the cluster stays away, and names no other cause than that', async () => {
    const { producer, cluster, runtime } = world({ deliveryTimeoutMs: 1_000 })
    cluster.unreachable(true)
    expect((await runtime.run(failureOf(producer.send(letters, 'k:1')))).code).toBe('HOLDFAST_DELIVERY_TIMEOUT')
    cluster.unreachable(false)
    expect((await runtime.run(producer.send(letters, 'k:2'))).offset).toBe(0n)
  })
})

describe('a record that its driver finds unfit', () => {
  test('fails alone, and its neighbours in the batch are written', async () => {
    const { producer, driver, logOf } = world()
    driver.answer = ({ records }, { values }) =>
      values.includes('"k:bad"') ? refuse(records, 'HOLDFAST_MESSAGE_INVALID') : undefined
    const [, bad] = await producer.sendMany(['k:1', 'k:bad', 'k:2'].map((value) => ({ topic: letters, value })))
    expect(bad).toMatchObject({ ok: false, error: { code: 'HOLDFAST_MESSAGE_INVALID' } })
    expect(logOf('letters')).toEqual([['k:1', 'k:2']])
  })
})

describe('a send from within the failure of another', () => {
  test('shares the one queue of its partition with those after it, so that they keep their order', async () => {
    const { producer, driver, cluster, runtime, logOf } = world()
    const late = { ...letters, name: 'late' }
    const held = driver.hold()
    let again: Promise<unknown> | undefined
    const failed = new Promise<void>((resolve) =>
      producer.sendAndForget(late, 'k:0', () => {
        again = producer.send(late, 'k:1')
        cluster.createTopic({ topic: 'late', partitions: 1 })
        resolve()
      }),
    )
    await runtime.run(failed)
    const more = [producer.send(late, 'k:2')]
    await runtime.advance(1_000)
    more.push(producer.send(late, 'k:3'))
    await runtime.advance(1_000)
    expect(driver.mostSideBySide).toBe(1)
    held.resolve()
    await runtime.run(Promise.all([again, ...more]))
    expect(logOf('late')).toEqual([['k:1', 'k:2', 'k:3']])
  })
})

describe('what may have been written', () => {
  test.each(['indeterminate-written', 'indeterminate-lost'] as const)(
    'is never written again by the producer (%s)',
    async (outcome) => {
      const { producer, cluster, driver, runtime } = world()
      cluster.failNextProduce('letters', outcome)
      const error = await failureOf(producer.send(letters, 'k:1'))
      expect(error.code).toBe('HOLDFAST_INDETERMINATE')
      await runtime.advance(200_000)
      expect(driver.batches).toHaveLength(1)
    },
  )

  test('is indeterminate at the timeout, a quarter of a second after the driver had its say', async () => {
    const { producer, driver, runtime } = world({ deliveryTimeoutMs: 1_000 })
    const held = driver.hold()
    const error = failureOf(producer.send(letters, 'k:1'))
    const started = runtime.clock.monotonic()
    expect((await runtime.run(error)).code).toBe('HOLDFAST_INDETERMINATE')
    expect(runtime.clock.monotonic() - started).toBe(1_250)
    held.resolve()
  })

  test('is what a driver leaves unanswered, or breaks off', async () => {
    const { producer, driver } = world()
    driver.answer = () => []
    expect((await failureOf(producer.send(letters, 'k:1'))).code).toBe('HOLDFAST_INDETERMINATE')
    driver.answer = () => {
      throw new Error('a bug')
    }
    expect((await failureOf(producer.send(letters, 'k:2'))).code).toBe('HOLDFAST_INDETERMINATE')
    driver.answer = undefined
    expect((await producer.send(letters, 'k:3')).offset).toBe(0n)
  })
})

describe('a signal', () => {
  test('withdraws what was not handed over, and its neighbours go on', async () => {
    const { producer, driver, logOf } = world()
    const held = driver.hold()
    const first = producer.send(letters, 'k:1')
    await expect.poll(() => driver.batches.length).toBe(1)
    const caller = new AbortController()
    const withdrawn = failureOf(producer.send(letters, 'k:2', { signal: caller.signal }))
    const third = producer.send(letters, 'k:3')
    caller.abort(new Error('the request is over'))
    expect(await withdrawn).toMatchObject({ code: 'HOLDFAST_ABORTED', cause: { message: 'the request is over' } })
    held.resolve()
    await Promise.all([first, third])
    expect(logOf('letters')).toEqual([['k:1', 'k:3']])
  })

  test('leaves what was handed over indeterminate', async () => {
    const { producer, driver } = world()
    driver.hold()
    const caller = new AbortController()
    const sent = failureOf(producer.send(letters, 'k:1', { signal: caller.signal }))
    await expect.poll(() => driver.batches.length).toBe(1)
    caller.abort()
    expect((await sent).code).toBe('HOLDFAST_INDETERMINATE')
  })

  test('that has aborted already lets nothing be sent', async () => {
    const { producer, driver } = world()
    const sent = failureOf(producer.send(letters, 'k:1', { signal: AbortSignal.abort() }))
    expect((await sent).code).toBe('HOLDFAST_ABORTED')
    expect(driver.batches).toEqual([])
  })

  test('of thousands of sends has one listener, and none when they are over', async () => {
    const { producer } = world()
    const { signal } = new AbortController()
    const counted = { added: 0, removed: 0 }
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      counted.added++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      counted.removed++
      remove(...args)
    }
    await Promise.all(Array.from({ length: 5_000 }, (_, i) => producer.send(letters, `k:${i}`, { signal })))
    expect(counted).toEqual({ added: 1, removed: 1 })
  })
})

describe('the buffer', () => {
  const large = (name: string): string => `${name}:${'x'.repeat(800)}`

  test('lets sends wait for room, in their order, a small one behind a large one too', async () => {
    const { producer, driver, logOf } = world({ maxBufferedBytes: 1_500, maxRequestBytes: 1_500 })
    const held = driver.hold()
    const values = [large('a'), large('b'), 'c:small', large('d'), 'e:small']
    const sends = values.map((value) => producer.send(letters, value))
    await expect.poll(() => driver.batches.length).toBe(1)
    expect(driver.batches[0]!.values).toHaveLength(1)
    held.resolve()
    await Promise.all(sends)
    expect(logOf('letters')).toEqual([values])
  })

  test('fails those that found no room by their timeout, and tells a fire-and-forget at once', async () => {
    const { producer, driver, runtime } = world({ maxBufferedBytes: 1_500, maxRequestBytes: 1_500 })
    const held = driver.hold()
    const first = producer.send(letters, large('a'))
    const waiting = failureOf(producer.send(letters, large('b'), { deliveryTimeoutMs: 300 }))
    const told: string[] = []
    producer.sendAndForget(letters, large('c'), (error) => told.push(error.code))
    expect(told).toEqual(['HOLDFAST_BUFFER_FULL'])
    expect((await runtime.run(waiting)).code).toBe('HOLDFAST_BUFFER_FULL')
    held.resolve()
    await first
    expect(driver.batches).toHaveLength(1)
    expect((await producer.send(letters, large('d'))).offset).toBe(1n) // the room came back
  })

  test('gets the room back of everything that fails', async () => {
    const { producer, driver, runtime } = world({
      maxBufferedBytes: 1_500,
      maxRequestBytes: 1_500,
      deliveryTimeoutMs: 1_000,
    })
    driver.answer = ({ records }) => refuse(records, 'HOLDFAST_UNAVAILABLE', true)
    const failed = Promise.all(['a', 'b', 'c'].map((name) => failureOf(producer.send(letters, large(name)))))
    await runtime.run(failed)
    driver.answer = undefined
    expect((await runtime.run(producer.send(letters, large('d')))).offset).toBe(0n)
  })
})

describe('flush and close', () => {
  test('flush resolves when everything before it has ended, well or badly, and does not wait for what comes later', async () => {
    const { producer, driver, runtime } = world()
    driver.answer = ({ records }, { values }) =>
      values.includes('"k:bad"') ? refuse(records, 'HOLDFAST_REFUSED') : undefined
    const ended: string[] = []
    for (const value of ['k:1', 'k:bad']) {
      producer.send(letters, value).then(
        () => ended.push(value),
        () => ended.push(value),
      )
    }
    await producer.flush()
    await Promise.resolve()
    expect(ended.toSorted()).toEqual(['k:1', 'k:bad'])

    const held = driver.hold()
    const later = producer.send(letters, 'k:2')
    await expect.poll(() => driver.batches.at(-1)?.values).toEqual(['"k:2"'])
    const flushed = producer.flush()
    driver.hold()
    held.resolve()
    const after = producer.send(letters, 'k:3', { deliveryTimeoutMs: 1_000 })
    const afterFailed = failureOf(after)
    await flushed
    await later
    expect((await runtime.run(afterFailed)).code).toBe('HOLDFAST_INDETERMINATE')
  })

  test('close takes no more, drains what was sent, and reports nothing when all is well', async () => {
    const { producer, logOf } = world({ lingerMs: 50 })
    const sends = ['k:1', 'k:2'].map((value) => producer.send(letters, value))
    const closed = producer.close()
    expect((await failureOf(producer.send(letters, 'k:3'))).code).toBe('HOLDFAST_CLOSED')
    expect(await closed).toEqual({ unconfirmed: [] })
    await Promise.all(sends)
    expect(logOf('letters')).toEqual([['k:1', 'k:2']])
    expect(await producer.close()).toBe(await closed)
  })

  test('close says exactly what was not confirmed at its deadline: what was handed over may be written, the rest is not', async () => {
    const { producer, driver, runtime } = world({ maxBatchRecords: 1 })
    driver.hold()
    const sends = ['one', 'two'].map((id) => failureOf(producer.send(letters, 'k:', { id })))
    const unprepared = failureOf(producer.send({ ...letters, schema: never }, 'k:'))
    await expect.poll(() => driver.batches.length).toBe(1)
    const closed = producer.close({ timeoutMs: 5_000 })
    expect((await runtime.run(Promise.all(sends))).map(({ code }) => code)).toEqual([
      'HOLDFAST_INDETERMINATE',
      'HOLDFAST_CLOSED',
    ])
    expect((await unprepared).code).toBe('HOLDFAST_CLOSED')
    expect((await runtime.run(closed)).unconfirmed).toEqual([
      { topic: 'letters', partition: 0, id: 'one' },
      { topic: 'letters', partition: 0, id: 'two' },
      { topic: 'letters' },
    ])
  })

  test('an idle producer leaves no timer behind', async () => {
    const { producer, runtime } = world()
    await producer.send(letters, 'k:1')
    expect(runtime.clock.pending).toBe(0)
    await producer[Symbol.asyncDispose]()
    expect((await failureOf(producer.start())).code).toBe('HOLDFAST_CLOSED')
  })

  test('a deadline that is none is refused, and the producer goes on', async () => {
    const { producer } = world()
    expect((await failureOf(producer.close({ timeoutMs: NaN }))).code).toBe('HOLDFAST_CONFIG_INVALID')
    expect((await producer.send(letters, 'k:1')).offset).toBe(0n)
  })
})

/** A validator that never answers. */
const never: typeof letters.schema = {
  '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => {}) },
}

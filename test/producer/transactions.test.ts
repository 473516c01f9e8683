import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { deferred } from '../../src/testing/deferred.ts'
import { createProducer } from '../../src/producer/index.ts'
import { inMemoryDriver } from '../../src/testing/index.ts'
import { failureOf, letters, notes, world } from './world.ts'

const transactional = (options: Parameters<typeof world>[0] = {}): ReturnType<typeof world> =>
  world({ transactionalId: 'shop-1', ...options })

describe('a transaction', () => {
  test('makes its messages visible together, across topics, and gives back what the work gave', async () => {
    const { producer, logOf, points } = transactional()
    const hold = points.holdAt('producer:before-commit')
    const work = producer.transaction(async (transaction) => {
      const [first] = await transaction.sendMany([
        { topic: letters, value: 'k:1' },
        { topic: notes, value: 'n' },
      ])
      await transaction.send(letters, 'k:2')
      await transaction.sendTombstone(letters, 'k')
      return first!.offset
    })
    await hold.reached
    expect([logOf('letters'), logOf('notes')]).toEqual([[], []])
    hold.release()
    expect(await work).toBe(0n)
    expect([logOf('letters'), logOf('notes')]).toEqual([[['k:1', 'k:2', 'null']], [['n']]])
  })

  test('that throws leaves nothing, and throws what the work threw', async () => {
    const { producer, logOf } = transactional()
    const thrown = new Error('out of stock')
    const work = producer.transaction(async (transaction) => {
      await transaction.send(letters, 'k:1')
      throw thrown
    })
    await expect(work).rejects.toBe(thrown)
    await producer.transaction((transaction) => transaction.send(letters, 'k:2'))
    expect(logOf('letters')).toEqual([['k:2']])
  })

  test('cannot commit after a failed send, although its rejection was caught', async () => {
    const { producer, driver, logOf } = transactional()
    const codes: string[] = []
    const work = failureOf(
      producer.transaction(async (transaction) => {
        await transaction.send(letters, 'k:1')
        await transaction.send(letters, 5 as never).catch((error: { code: string }) => codes.push(error.code))
        await transaction.send(letters, 'k:2').catch((error: { code: string }) => codes.push(error.code))
      }),
    )
    expect(await work).toMatchObject({
      code: 'HOLDFAST_TRANSACTION_ABORTED',
      cause: { code: 'HOLDFAST_MESSAGE_INVALID' },
    })
    expect(codes).toEqual(['HOLDFAST_MESSAGE_INVALID', 'HOLDFAST_TRANSACTION_ABORTED'])
    expect(logOf('letters')).toEqual([])
    expect(driver.batches).toHaveLength(0) // the in-memory transaction is not the watched producer
  })

  test('awaits the sends that nobody awaits, and a failed one of them is no unhandled rejection but a rollback', async () => {
    const { producer, cluster, logOf } = transactional()
    await producer.transaction(async (transaction) => {
      void transaction.send(letters, 'k:1')
    })
    cluster.failNextProduce('letters', 'refused')
    const work = producer.transaction(async (transaction) => {
      void transaction.send(notes, 'n')
      void transaction.send(letters, 'k:2')
    })
    expect(await failureOf(work)).toMatchObject({
      code: 'HOLDFAST_TRANSACTION_ABORTED',
      cause: { code: 'HOLDFAST_REFUSED' },
    })
    expect([logOf('letters'), logOf('notes')]).toEqual([[['k:1']], []])
  })

  test('is not repeated inside when a batch failed for now: its first failure ends it', async () => {
    const { producer, cluster, logOf } = transactional()
    cluster.failNextProduce('letters', 'unavailable')
    const work = producer.transaction((transaction) => transaction.send(letters, 'k:1'))
    expect((await failureOf(work)).code).toBe('HOLDFAST_UNAVAILABLE') // the work threw it
    expect(logOf('letters')).toEqual([])
  })

  test('waits for the one before it, and takes no send when it is over', async () => {
    const { producer, logOf } = transactional()
    const order: string[] = []
    let kept: Parameters<Parameters<typeof producer.transaction>[0]>[0] | undefined
    await Promise.all(
      ['1', '2', '3'].map((name) =>
        producer.transaction(async (transaction) => {
          kept = transaction
          order.push(`begin ${name}`)
          await transaction.send(letters, `k:${name}`)
          order.push(`end ${name}`)
        }),
      ),
    )
    expect(order).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3'])
    expect((await failureOf(kept!.send(letters, 'k:late'))).code).toBe('HOLDFAST_CLOSED')
    expect(logOf('letters')).toEqual([['k:1', 'k:2', 'k:3']])
  })

  test('takes no send while it commits: whether that would still be part of it nobody could say', async () => {
    const { producer, logOf, points } = transactional()
    const hold = points.holdAt('producer:before-commit')
    let kept: Parameters<Parameters<typeof producer.transaction>[0]>[0] | undefined
    const work = producer.transaction(async (transaction) => {
      kept = transaction
      await transaction.send(letters, 'k:1')
    })
    await hold.reached
    const stray = failureOf(kept!.send(letters, 'k:stray'))
    hold.release()
    expect((await stray).code).toBe('HOLDFAST_CLOSED')
    await work
    expect(logOf('letters')).toEqual([['k:1']])
  })

  test('of another producer may run within; and none leaves a storage behind, which each promise of the process would pay for', async () => {
    const runs = vi.spyOn(AsyncLocalStorage.prototype, 'run')
    const offs = vi.spyOn(AsyncLocalStorage.prototype, 'disable')
    onTestFinished(() => void vi.restoreAllMocks())
    const { producer, driver } = transactional()
    const other = createProducer({ driver, transactionalId: 'shop-2' })
    await producer.transaction(async (transaction) => {
      await transaction.send(letters, 'k:1')
      await other.transaction(async (inner) => {
        await inner.send(letters, 'k:2')
        await expect(producer.transaction(async () => {})).rejects.toThrow(/wait for itself/)
      })
    })
    expect(new Set(runs.mock.contexts).size).toBe(1)
    expect(offs).toHaveBeenCalledTimes(1)
    await producer.transaction((transaction) => transaction.send(letters, 'k:3'))
  })

  test('within one of the same producer is refused, since it would wait for itself; afterwards it is not', async () => {
    const { producer } = transactional()
    let afterwards: Promise<unknown> | undefined
    const inner = await producer.transaction(async () => {
      afterwards = new Promise((resolve) => void Promise.resolve().then(() => resolve(undefined))).then(async () => {
        await producer.flush()
      })
      return failureOf(producer.transaction(async () => {}))
    })
    await afterwards
    expect(inner.code).toBe('HOLDFAST_CONFIG_INVALID')
    await producer.transaction(async () => {})
  })

  test('whose commit lost its answer is indeterminate, and the next one works', async () => {
    const { producer, cluster, logOf } = transactional()
    cluster.failNextTransactionCommit('shop-1', 'indeterminate-written')
    const work = producer.transaction((transaction) => transaction.send(letters, 'k:1'))
    expect((await failureOf(work)).code).toBe('HOLDFAST_INDETERMINATE')
    await producer.transaction((transaction) => transaction.send(letters, 'k:2'))
    expect(logOf('letters')).toEqual([['k:1', 'k:2']])
  })

  test('whose commit is refused is rolled back', async () => {
    const { producer, cluster, logOf } = transactional()
    cluster.failNextTransactionCommit('shop-1', 'refused')
    const work = producer.transaction((transaction) => transaction.send(letters, 'k:1'))
    expect((await failureOf(work)).code).toBe('HOLDFAST_TRANSACTION_ABORTED')
    await producer.transaction((transaction) => transaction.send(letters, 'k:2'))
    expect(logOf('letters')).toEqual([['k:2']])
  })

  test('of an instance that was taken over is fenced, and stays so, or both would fence each other for ever', async () => {
    const { producer, cluster, runtime, logOf } = transactional()
    await producer.transaction((transaction) => transaction.send(letters, 'k:1'))
    const successor = createProducer({
      driver: inMemoryDriver({ cluster, clientId: 'shop' }),
      transactionalId: 'shop-1',
      runtime,
    })
    await successor.transaction((transaction) => transaction.send(letters, 'k:2'))
    for (let again = 0; again < 2; again++) {
      const work = producer.transaction((transaction) => transaction.send(letters, 'k:zombie'))
      expect((await failureOf(work)).code).toBe('HOLDFAST_FENCED')
    }
    await successor.transaction((transaction) => transaction.send(letters, 'k:3'))
    expect(logOf('letters')).toEqual([['k:1', 'k:2', 'k:3']])
  })

  test('waits for a cluster that is away to begin, up to the delivery timeout', async () => {
    const { producer, cluster, runtime, logOf } = transactional({ deliveryTimeoutMs: 5_000 })
    cluster.unreachable(true)
    const work = producer.transaction((transaction) => transaction.send(letters, 'k:1'))
    await runtime.advance(2_000)
    cluster.unreachable(false)
    await runtime.run(work)
    expect(logOf('letters')).toEqual([['k:1']])
    cluster.unreachable(true)
    const late = producer.transaction(async () => {})
    expect((await runtime.run(failureOf(late))).code).toBe('HOLDFAST_UNAVAILABLE')
  })

  test('needs a transactional id; a producer that has one sends outside of transactions too', async () => {
    expect((await failureOf(world().producer.transaction(async () => {}))).code).toBe('HOLDFAST_CONFIG_INVALID')
    const { producer, logOf } = transactional()
    await producer.send(letters, 'k:1')
    expect(logOf('letters')).toEqual([['k:1']])
  })

  test('under way is waited for by close, and cut off at its deadline', async () => {
    const { producer, logOf, runtime } = transactional()
    const [begun, finish] = [deferred(), deferred()]
    const work = producer.transaction(async (transaction) => {
      await transaction.send(letters, 'k:1')
      begun.resolve()
      await finish.promise
    })
    await begun.promise
    const closed = producer.close({ timeoutMs: 1_000 })
    finish.resolve()
    await work
    await runtime.run(closed)
    expect(logOf('letters')).toEqual([['k:1']])
    expect((await failureOf(producer.transaction(async () => {}))).code).toBe('HOLDFAST_CLOSED')

    const other = transactional()
    const hung = other.producer.transaction(async (transaction) => {
      await transaction.send(letters, 'k:1')
      await new Promise(() => {})
    })
    void hung.catch(() => {})
    await other.runtime.advance(1)
    await other.runtime.run(other.producer.close({ timeoutMs: 1_000 }))
    expect(other.logOf('letters')).toEqual([])
  })
})

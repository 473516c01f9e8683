import type { DriverProducer, DriverTransaction } from '../driver/index.ts'
import { HoldfastError } from '../errors/index.ts'
import { backoffDelay } from '../retry/index.ts'
import type { PartitionCounts } from './partition-counts.ts'
import { RETRY_BACKOFF } from './partition-counts.ts'
import { createDelivery } from './delivery.ts'
import type { ProducerSettings } from './producer-options.ts'
import type { SendManyOutcome, SendResult, Transaction } from './producer.ts'
import type { SendPipeline } from './send-pipeline.ts'
import { isWithin, within } from './running-transactions.ts'
import type { Sender } from './sender.ts'
import { createSender } from './sender.ts'

/** Runs transactions, one at a time. */
export interface Transactions {
  run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /** Resolves when none is under way or waiting. */
  idle(): Promise<void>
}

/** What {@link createTransactions} works with. */
export interface TransactionsDependencies {
  readonly settings: ProducerSettings
  readonly driver: DriverProducer
  readonly connect: () => Promise<void>
  readonly counts: PartitionCounts
  readonly pipeline: SendPipeline
  readonly isClosed: () => boolean
}

/** Makes {@link Transactions}. */
export function createTransactions(dependencies: TransactionsDependencies): Transactions {
  const { settings, driver, connect, isClosed } = dependencies
  const { runtime, deliveryTimeoutMs } = settings
  let last: Promise<unknown> = Promise.resolve()
  let fenced: HoldfastError | undefined

  const one = async <T>(work: (transaction: Transaction) => Promise<T>): Promise<T> => {
    if (isClosed()) throw new HoldfastError('HOLDFAST_CLOSED', 'the producer is closed: the transaction was not begun')
    if (fenced !== undefined) throw fenced // to begin again would fence the one that has taken over
    const open = await begin()
    const attempt = createAttempt(dependencies, open)
    let result: T
    try {
      result = await within(driver, () => work(attempt.transaction))
    } catch (error) {
      await attempt.rollBack(error)
      throw error
    }
    await attempt.finish()
    if (attempt.failure !== undefined) {
      await attempt.rollBack(attempt.failure)
      throw noteFencing(attempt.failure) ?? rolledBack(attempt.failure)
    }
    await commit(open, attempt)
    return result
  }

  const begin = async (): Promise<DriverTransaction> => {
    const deadline = runtime.clock.monotonic() + deliveryTimeoutMs
    for (let failures = 1; ; failures++) {
      try {
        await connect()
        await runtime.failpoint('producer:before-begin')
        return await driver.begin()
      } catch (error) {
        const again = HoldfastError.is(error, 'HOLDFAST_UNAVAILABLE') && error.retriable && !isClosed()
        const waitMs = backoffDelay(RETRY_BACKOFF, failures, runtime.random())
        if (!again || runtime.clock.monotonic() + waitMs >= deadline) throw noteFencing(error) ?? error
        await runtime.clock.sleep(waitMs)
      }
    }
  }

  const commit = async (open: DriverTransaction, attempt: Attempt): Promise<void> => {
    try {
      await runtime.failpoint('producer:before-commit')
      await open.commit()
    } catch (error) {
      if (HoldfastError.is(error, 'HOLDFAST_INDETERMINATE')) throw error // to roll back could hit what is committed
      await attempt.rollBack(error)
      throw noteFencing(error) ?? rolledBack(error)
    }
    await runtime.failpoint('producer:after-commit')
  }

  const noteFencing = (error: unknown): HoldfastError | undefined => {
    if (!HoldfastError.is(error, 'HOLDFAST_FENCED')) return undefined
    return (fenced ??= error)
  }

  return {
    run(work) {
      if (isWithin(driver)) {
        return Promise.reject(
          new HoldfastError(
            'HOLDFAST_CONFIG_INVALID',
            'a transaction within a transaction of the same producer would wait for itself',
          ),
        )
      }
      const turn = last.then(() => one(work))
      last = turn.catch(() => {})
      return turn
    },
    async idle() {
      for (let seen: unknown; seen !== last;) {
        seen = last
        await last
      }
    },
  }
}

/** One transaction under way. */
interface Attempt {
  readonly transaction: Transaction
  /** The first send that failed: it makes the commit impossible. */
  readonly failure: HoldfastError | undefined
  /** Resolves when every send has ended, those that nobody awaits too; from then on none is taken. */
  finish(): Promise<void>
  rollBack(cause: unknown): Promise<void>
}

function createAttempt(
  { settings, counts, pipeline, isClosed }: TransactionsDependencies,
  open: DriverTransaction,
): Attempt {
  const { runtime } = settings
  const pending = new Set<Promise<unknown>>()
  let failure: HoldfastError | undefined
  let isOver = false

  // Ends the transaction's own wait at the broker's patience: after that the broker has rolled it back by itself.
  const deliveryTimeoutMs = Math.min(settings.deliveryTimeoutMs, settings.transactionTimeoutMs)
  const delivery = createDelivery({
    ...settings,
    counts,
    repeats: false,
    produce: (batch, options) => open.produce(batch, options),
  })
  const sender: Sender = createSender({
    pipeline,
    delivery,
    deliveryTimeoutMs,
    onErrorThrew: () => {}, // a transaction has no sendAndForget
    refusal: () => {
      if (isClosed()) return new HoldfastError('HOLDFAST_CLOSED', 'the producer is closed: nothing was sent')
      if (isOver) return new HoldfastError('HOLDFAST_CLOSED', 'the transaction is over: nothing was sent')
      return failure === undefined ? undefined : rolledBack(failure)
    },
  })

  // Also marks the promise as handled: a send that nobody awaits is reported by the transaction.
  const track = <T>(work: Promise<T>): Promise<T> => {
    const ended = work
      .catch((error: unknown) => {
        if (!isOver) failure ??= HoldfastError.is(error) ? error : rolledBack(error)
      })
      .finally(() => pending.delete(ended))
    pending.add(ended)
    return work
  }
  const settled = async (): Promise<void> => {
    while (pending.size > 0) {
      const all = Promise.all(pending)
      delivery.hurryUntil(all)
      await all
    }
  }
  const all = async (outcomes: Promise<readonly SendManyOutcome[]>): Promise<readonly SendResult[]> =>
    (await outcomes).map((outcome) => {
      if (!outcome.ok) throw outcome.error
      return outcome.result
    })

  return {
    transaction: {
      send: (topic, value, options) => track(sender.send(topic, value, options ?? {})),
      sendTombstone: (topic, key, options) => track(sender.sendTombstone(topic, key, options ?? {})),
      sendMany: (messages) => track(all(sender.sendMany(messages, {}))),
    },
    get failure() {
      return failure
    },
    async finish() {
      while (pending.size > 0) await settled() // again, where one came between the end of the last and here
      isOver = true // before the commit: of a send meanwhile nobody could say whether it is part of it
    },
    async rollBack(cause) {
      isOver = true
      failure ??= HoldfastError.is(cause) ? cause : rolledBack(cause)
      await settled() // a batch that is under way must not reach a transaction that comes after
      await runtime.failpoint('producer:before-abort')
      await open.abort()
    },
  }
}

function rolledBack(cause: unknown): HoldfastError {
  return new HoldfastError(
    'HOLDFAST_TRANSACTION_ABORTED',
    'the transaction was rolled back: nothing of it is visible',
    { cause },
  )
}

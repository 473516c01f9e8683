import type { Transaction } from 'kafkajs'
import type { Runtime } from '../../clock/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import type { DriverTransaction } from '../driver-producer.ts'
import { deadlineIn, LATE } from './deadline.ts'
import { holdfastError, toHoldfastError } from './kafkajs-errors.ts'
import type { InnerProducer } from './kafkajs-inner-producer.ts'
import type { PartitionCounts } from './kafkajs-partitions.ts'
import { createPartitionLanes } from './partition-lanes.ts'
import type { ProduceCallParts } from './produce-call.ts'
import { failed, produceInLane } from './produce-outcomes.ts'

/** What transactions need of the producer around them. */
export interface TransactionParts {
  readonly runtime: Runtime
  readonly counts: PartitionCounts
  readonly transactionalId: string
  /** A producer for the next transaction; undefined once all is closed. */
  inner(): InnerProducer | undefined
  /** Counts a call as under way, for the close. */
  track<T>(call: Promise<T>): Promise<T>
}

/**
 * Transactions of one transactional id, one after another.
 *
 * kafkajs keeps sequence numbers that went wrong: a transaction begun on a producer whose last one had failed commits and its
 * records are never seen. So a producer lives on only after a transaction in which everything went well; else it is thrown
 * away, and the next begin makes one with the same id, which raises the epoch, rolls back what was left open, and shuts out
 * what is still on its way.
 */
export function createTransactions(parts: TransactionParts): { begin(): Promise<DriverTransaction> } {
  const { runtime } = parts
  const { clock } = runtime
  let busy = false
  let fenced: HoldfastError | undefined

  /** Where it ends for good: fencing another instance back would make two of them fight over the id for ever. */
  function noteFenced(error: HoldfastError): HoldfastError {
    if (error.code === 'HOLDFAST_FENCED') fenced = error
    return error
  }

  async function begin(): Promise<DriverTransaction> {
    if (fenced !== undefined) throw fenced
    if (busy) throw new HoldfastError('HOLDFAST_REFUSED', 'a transaction is under way: one at a time for each producer')
    busy = true
    try {
      return await open()
    } catch (error) {
      busy = false
      throw error
    }
  }

  async function open(): Promise<DriverTransaction> {
    const deadline = deadlineIn(clock, CONTROL_TIMEOUT_MS)
    for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      const inner = parts.inner()
      if (inner === undefined) throw new HoldfastError('HOLDFAST_CLOSED', 'the producer is closed or closing')
      let failure: HoldfastError
      try {
        await runtime.failpoint('kafkajs-transaction:begin')
        const opening = inner.connect().then(() => inner.kafkajs.transaction())
        const transaction = await deadline.within(BEGIN_PATIENCE_MS).race(opening)
        if (transaction !== LATE) return wrap(inner, transaction)
        failure = new HoldfastError('HOLDFAST_UNAVAILABLE', 'no broker answered in time', { retriable: true })
      } catch (error) {
        failure = noteFenced(beginError(error, parts.transactionalId))
      }
      inner.retire() // a call that is still under way in it could initialise the id once more, and fence the next
      if (failure.code !== 'HOLDFAST_UNAVAILABLE' || deadline.left() <= waitMs) throw failure
      await deadline.pause(waitMs)
    }
  }

  function wrap(inner: InnerProducer, transaction: Transaction): DriverTransaction {
    const release = inner.hold()
    const lanes = createPartitionLanes()
    const calls = new Set<Promise<unknown>>()
    let failure: HoldfastError | undefined
    let lost = false
    let ended = false
    const produceParts: ProduceCallParts = {
      runtime,
      counts: parts.counts,
      inner: () => (inner.isCut ? undefined : inner),
      send: (_, request) => transaction.send(request),
      answerMs: Infinity, // a transaction has a timeout of its own, and ends with its first doubt
      transactional: true,
    }

    /** @param healthy - false throws the producer away */
    function end(healthy: boolean): void {
      ended = true
      if (!healthy) inner.retire()
      release()
      busy = false
    }

    return {
      async produce(batch, { timeoutMs }) {
        if (ended || failure !== undefined) return failed(batch, overError(failure))
        const call = parts.track(produceInLane(lanes, produceParts, batch, deadlineIn(clock, timeoutMs)))
        calls.add(call)
        const outcomes = await call
        calls.delete(call)
        for (const outcome of outcomes) {
          if (outcome.ok) continue
          failure ??= noteFenced(outcome.error)
          if (outcome.error.code === 'HOLDFAST_INDETERMINATE') lost = true
        }
        return outcomes
      },

      async commit() {
        await Promise.allSettled(calls)
        if (ended || failure !== undefined) throw overError(failure)
        await runtime.failpoint('kafkajs-transaction:commit')
        const call = parts.track(deadlineIn(clock, CONTROL_TIMEOUT_MS).race(transaction.commit()))
        try {
          if ((await call) === LATE) {
            inner.cut()
            throw new HoldfastError('HOLDFAST_INDETERMINATE', 'the commit was not answered in time')
          }
        } catch (error) {
          end(false)
          throw noteFenced(toHoldfastError(error, 'transaction', `commit of ${parts.transactionalId}`))
        }
        await runtime.failpoint('kafkajs-transaction:committed')
        end(true)
      },

      async abort() {
        if (ended) return
        if (calls.size > 0) {
          inner.cut() // they would go on until their own deadlines
          lost = true
          await Promise.allSettled(calls)
        }
        // With a lost request the rollback is left to the next begin, or to the broker's timeout: both raise the epoch, while an
        // ordinary abort does not, and the request would land behind it as a transaction that nobody ever ends.
        const canAsk = !lost && fenced === undefined
        let rolledBack = false
        if (canAsk) {
          const call = parts.track(deadlineIn(clock, ABORT_TIMEOUT_MS).race(transaction.abort()))
          rolledBack = await call.then(
            (answer) => answer !== LATE,
            () => false,
          )
        }
        end(rolledBack && failure === undefined)
      },
    }
  }

  return { begin }
}

function overError(failure: HoldfastError | undefined): HoldfastError {
  if (failure?.code === 'HOLDFAST_FENCED') return failure
  const message =
    failure === undefined ? 'the transaction is over' : 'a record of the transaction failed: it can only be rolled back'
  return new HoldfastError(
    'HOLDFAST_TRANSACTION_ABORTED',
    message,
    failure === undefined ? {} : { cause: failure, retriable: true },
  )
}

/** Nothing is written by a begin, so that what is unknown elsewhere is only an outage here. */
function beginError(error: unknown, transactionalId: string): HoldfastError {
  const failure = toHoldfastError(error, 'transaction', `begin of ${transactionalId}`)
  const unknown = failure.code === 'HOLDFAST_INDETERMINATE' || failure.code === 'HOLDFAST_TRANSACTION_ABORTED'
  return unknown ? holdfastError('HOLDFAST_UNAVAILABLE', error, 'transaction', `begin of ${transactionalId}`) : failure
}

/** `max.block.ms` of Kafka's own producer, which bounds its begin and commit. */
const CONTROL_TIMEOUT_MS = 60_000

/** How long one try of a begin may take: the broker may first have to end the transaction that was left open. */
const BEGIN_PATIENCE_MS = 15_000

/** An abort only hastens what the next begin does anyway. */
const ABORT_TIMEOUT_MS = 10_000

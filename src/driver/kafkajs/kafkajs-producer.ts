import { HoldfastError } from '../../errors/index.ts'
import type { DriverProducer, DriverProducerOptions, ProduceOutcome } from '../driver-producer.ts'
import { deadlineIn, LATE } from './deadline.ts'
import type { KafkajsContext } from './kafkajs-context.ts'
import { KAFKAJS_REQUEST_TIMEOUT_MS } from './kafkajs-context.ts'
import { toHoldfastError } from './kafkajs-errors.ts'
import type { InnerProducer } from './kafkajs-inner-producer.ts'
import { createInnerProducer } from './kafkajs-inner-producer.ts'
import { createPartitionCounts } from './kafkajs-partitions.ts'
import { createTransactions } from './kafkajs-transaction.ts'
import { createPartitionLanes } from './partition-lanes.ts'
import type { ProduceCallParts } from './produce-call.ts'
import { failed, produceInLane } from './produce-outcomes.ts'

/**
 * A producer over kafkajs: idempotent, acknowledged by all replicas, one partition a request and one request at a time for each
 * partition, since any other use of kafkajs 2.2.4 loses or doubles records. It replaces its kafkajs producer after every
 * failure that leaves a doubt; the doubt itself is the caller's to settle (`HOLDFAST_INDETERMINATE`).
 */
export function createKafkajsProducer(context: KafkajsContext, options: DriverProducerOptions): DriverProducer {
  const { runtime, logger, transactionalId, transactionTimeoutMs } = options
  const counts = createPartitionCounts(context, options)
  const lanes = createPartitionLanes()
  const alive = new Set<InnerProducer>()
  const underWay = new Set<Promise<unknown>>()
  let newest: InnerProducer | undefined
  let closing: Promise<void> | undefined
  let cutOff = false

  function inner(): InnerProducer | undefined {
    if (cutOff) return undefined
    if (newest === undefined || newest.retired) {
      const made = createInnerProducer(context, logger, {
        ...(transactionalId === undefined ? {} : { transactionalId }),
        ...(transactionTimeoutMs === undefined ? {} : { transactionTimeout: transactionTimeoutMs }),
      })
      alive.add(made)
      void made.gone.then(() => alive.delete(made))
      newest = made
    }
    return newest
  }

  const parts: ProduceCallParts = {
    runtime,
    counts,
    inner,
    send: (producer, request) => producer.kafkajs.send(request),
    answerMs: 2 * (context.config.requestTimeout ?? KAFKAJS_REQUEST_TIMEOUT_MS),
    transactional: false,
  }
  const transactions =
    transactionalId === undefined ? undefined : createTransactions({ runtime, counts, inner, track, transactionalId })

  function track<T>(call: Promise<T>): Promise<T> {
    underWay.add(call)
    const ended = (): void => void underWay.delete(call)
    call.then(ended, ended)
    return call
  }

  async function shut(timeoutMs: number): Promise<void> {
    const deadline = deadlineIn(runtime.clock, timeoutMs)
    while (underWay.size > 0) {
      if ((await deadline.race(Promise.allSettled(underWay))) === LATE) break
    }
    cutOff = true
    if (underWay.size > 0) {
      for (const producer of alive) producer.cut()
      await Promise.allSettled(underWay) // each sees that its sockets are gone, and ends
    }
    const ends = Promise.allSettled([counts.close(), ...[...alive].map((producer) => producer.close())])
    if ((await deadline.race(ends)) === LATE) for (const producer of alive) producer.cut()
  }

  return {
    async connect() {
      const deadline = deadlineIn(runtime.clock, CONNECT_TIMEOUT_MS)
      let failure = new HoldfastError('HOLDFAST_UNAVAILABLE', 'no broker answered in time', { retriable: true })
      while (deadline.left() > 0) {
        const producer = closing === undefined ? inner() : undefined
        if (producer === undefined) throw closedError()
        try {
          if ((await deadline.within(CONNECT_PATIENCE_MS).race(producer.connect())) !== LATE) return
        } catch (error) {
          failure = toHoldfastError(error, 'connect')
          if (failure.code !== 'HOLDFAST_UNAVAILABLE') throw failure
        }
        producer.retire() // the next one begins at another broker
        await deadline.pause(CONNECT_PAUSE_MS)
      }
      throw failure
    },
    partitionCount: (topic) => (closing === undefined ? counts.get(topic) : Promise.reject(closedError())),
    forgetPartitions: (topic) => counts.forget(topic),
    async produce(batch, { timeoutMs }): Promise<readonly ProduceOutcome[]> {
      if (closing !== undefined) return failed(batch, closedError())
      if (transactions !== undefined) {
        const message = 'a producer with a transactionalId writes inside transactions only'
        return failed(batch, new HoldfastError('HOLDFAST_UNSUPPORTED', message))
      }
      return track(produceInLane(lanes, parts, batch, deadlineIn(runtime.clock, timeoutMs)))
    },
    async begin() {
      if (closing !== undefined) throw closedError()
      if (transactions !== undefined) return transactions.begin()
      throw new HoldfastError('HOLDFAST_UNSUPPORTED', 'transactions need a producer with a transactionalId')
    },
    close({ timeoutMs }) {
      closing ??= shut(timeoutMs)
      return closing
    },
  }
}

function closedError(): HoldfastError {
  return new HoldfastError('HOLDFAST_CLOSED', 'the producer is closed or closing')
}

/** As long as a request may take in Kafka's own clients. */
const CONNECT_TIMEOUT_MS = 30_000

/** How long one broker may take, TLS and SASL included. */
const CONNECT_PATIENCE_MS = 5_000

const CONNECT_PAUSE_MS = 200

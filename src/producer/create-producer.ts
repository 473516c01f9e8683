import { MAX_TIMER_MS } from '../clock/index.ts'
import type { DriverProducer } from '../driver/index.ts'
import { connectOnce } from '../driver/index.ts'
import { describeForeignError, HoldfastError } from '../errors/index.ts'
import { sourceHeader } from '../topic/index.ts'
import { createDelivery } from './delivery.ts'
import type { PartitionCountChange, PartitionCounts } from './partition-counts.ts'
import { createPartitionCounts } from './partition-counts.ts'
import type { PendingSend } from './pending-send.ts'
import type { CloseReport, Producer, UnconfirmedMessage } from './producer.ts'
import type { ProducerOptions, ProducerSettings } from './producer-options.ts'
import { readProducerOptions } from './producer-options.ts'
import type { AnyMessage } from './sender.ts'
import { createSender } from './sender.ts'
import { createSendPipeline } from './send-pipeline.ts'
import type { Transactions } from './transactions.ts'
import { createTransactions } from './transactions.ts'

/**
 * Makes a producer: messages that fit their topics, acknowledged by all in-sync replicas, in the order of their keys. It repeats
 * what was certainly not written until the delivery timeout; what may have been written is `HOLDFAST_INDETERMINATE` and the
 * caller's to decide. A crash loses what was not yet acknowledged; where that must not be, use an outbox.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem; HOLDFAST_UNSUPPORTED for what the driver cannot do.
 */
export function createProducer(options: ProducerOptions): Producer {
  const settings = readProducerOptions(options)
  const { driver, runtime, logger } = settings
  const { clock } = runtime
  let closing: Promise<CloseReport> | undefined

  const isClosed = (): boolean => closing !== undefined
  const pipeline = createSendPipeline(settings, {
    ids: runtime.ids,
    clock,
    source: sourceHeader(settings.source),
    nullHeaderValue: driver.capabilities.nullHeaderValue,
  })
  const plain = connected(settings, driver.createProducer({ runtime, logger }))
  const delivery = createDelivery({
    ...settings,
    counts: plain.counts,
    repeats: true,
    produce: (batch, each) => plain.producer.produce(batch, each),
  })
  const sender = createSender({
    pipeline,
    delivery,
    deliveryTimeoutMs: settings.deliveryTimeoutMs,
    refusal: () => (isClosed() ? closedError() : undefined),
    onErrorThrew(topic, error) {
      logger.error({ topic, error: describeForeignError(error) }, 'the onError of a sendAndForget threw')
    },
  })
  const transactional = openTransactions()

  function openTransactions(): (Connected & { readonly transactions: Transactions }) | undefined {
    const { transactionalId, transactionTimeoutMs } = settings
    if (transactionalId === undefined) return undefined
    const made = connected(settings, driver.createProducer({ runtime, logger, transactionalId, transactionTimeoutMs }))
    const { producer, connect, counts } = made
    return {
      ...made,
      transactions: createTransactions({ settings, driver: producer, connect, counts, pipeline, isClosed }),
    }
  }

  async function drainAndClose(timeoutMs: number): Promise<CloseReport> {
    const deadline = clock.monotonic() + timeoutMs
    await runtime.failpoint('producer:before-drain')
    const inTime = new AbortController()
    const drained = Promise.all([pipeline.ended(pipeline.live()), transactional?.transactions.idle()])
    delivery.hurryUntil(drained)
    await Promise.race([drained, clock.sleep(timeoutMs, inTime.signal).catch(() => {})])
    inTime.abort()
    const left = pipeline.live()
    const unconfirmed = left.map(unconfirmedOf)
    for (const send of left) send.giveUp('HOLDFAST_CLOSED', 'did not end before the producer closed')
    if (unconfirmed.length > 0)
      logger.error({ unconfirmed: unconfirmed.length }, 'a producer closed with sends that had not ended')
    await runtime.failpoint('producer:before-close')
    const rest = { timeoutMs: Math.max(0, deadline - clock.monotonic()) }
    await Promise.all([plain.producer.close(rest), transactional?.producer.close(rest)])
    return { unconfirmed }
  }

  const close = (timeoutMs: number): Promise<CloseReport> => {
    closing ??= drainAndClose(timeoutMs)
    return closing
  }

  return {
    async start() {
      if (isClosed()) throw closedError()
      await Promise.all([plain.connect(), transactional?.connect()])
    },
    send: (topic, value, each = {}) => sender.send(topic, value, each),
    sendTombstone: (topic, key, each = {}) => sender.sendTombstone(topic, key, each),
    sendMany: (messages, each = {}) => sender.sendMany(messages as readonly AnyMessage[], each),
    sendAndForget: (topic, value, onError, each = {}) => sender.sendAndForget(topic, value, onError, each),
    transaction(work) {
      if (transactional === undefined) {
        return Promise.reject(
          new HoldfastError('HOLDFAST_CONFIG_INVALID', 'transaction() needs a producer with a transactionalId'),
        )
      }
      return transactional.transactions.run(work)
    },
    flush() {
      const ended = pipeline.ended(pipeline.live())
      delivery.hurryUntil(ended)
      return ended
    },
    async close({ timeoutMs = CLOSE_TIMEOUT_MS } = {}) {
      if (!(timeoutMs >= 0 && timeoutMs <= MAX_TIMER_MS)) {
        const problems = [{ path: 'timeoutMs', message: 'must be a number of 0 to 2^31 - 1' }]
        throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the producer was not closed', { problems })
      }
      return close(timeoutMs)
    },
    async [Symbol.asyncDispose]() {
      await close(CLOSE_TIMEOUT_MS)
    },
  }
}

/** A driver's producer, with the one connect that all calls share, and what it knows of topics. */
interface Connected {
  readonly producer: DriverProducer
  readonly connect: () => Promise<void>
  readonly counts: PartitionCounts
}

function connected(settings: ProducerSettings, producer: DriverProducer): Connected {
  const { runtime, logger } = settings
  const connect = connectOnce(producer)
  const onChange = (change: PartitionCountChange): void => {
    try {
      settings.onPartitionCountChange?.(change)
    } catch (error) {
      logger.error({ topic: change.topic, error: describeForeignError(error) }, 'onPartitionCountChange threw')
    }
  }
  return { producer, connect, counts: createPartitionCounts({ driver: producer, connect, runtime, logger, onChange }) }
}

function unconfirmedOf({ topic, partition, id }: PendingSend): UnconfirmedMessage {
  return { topic, ...(partition === undefined ? {} : { partition }), ...(id === undefined ? {} : { id }) }
}

function closedError(): HoldfastError {
  return new HoldfastError('HOLDFAST_CLOSED', 'the producer is closed or closing: nothing was sent')
}

const CLOSE_TIMEOUT_MS = 30_000

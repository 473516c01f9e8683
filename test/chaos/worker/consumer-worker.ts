import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import type { Journal } from '../history/index.ts'
import { formatPosition } from '../../../src/record/index.ts'
import { chaosTopic } from './chaos-topic.ts'
import { openDedupe } from './dedupe.ts'
import { workerDriver } from './drivers.ts'
import { openEffectStore } from './effect-store.ts'
import { REFUSED } from './exit-codes.ts'
import { chaosHandler, DownstreamError } from './handler.ts'
import { journalingDriver } from './journaling-driver.ts'
import type { OpenCalls } from './open-calls.ts'
import { createOpenCalls } from './open-calls.ts'
import { sampleResources } from './resources.ts'
import type { ConsumerConfig } from './worker-config.ts'
import { workerLogger } from './worker-logger.ts'
import { workerRuntime } from './worker-runtime.ts'

const HEALTH_EVERY_MS = 500
const START_AGAIN_MS = 500

/** A member of the group until SIGTERM. Resolves with the exit code. */
export async function runConsumer(config: ConsumerConfig, journal: Journal, stopped: AbortSignal): Promise<number> {
  const { consumer, store, dedupe } = makeConsumer(config, journal)
  const resources = sampleResources(journal, () => underWay(consumer))
  resources.sample('baseline')
  const health = setInterval(() => noteHealth(), HEALTH_EVERY_MS)
  let lastHealth = ''

  function noteHealth(): void {
    const { status, reasons, state } = consumer.health()
    const now = [status, state, ...reasons].join('; ')
    if (now === lastHealth) return
    lastHealth = now
    journal.write({ f: 'health', group: config.group, state: status, reason: [state, ...reasons].join('; ') })
  }

  try {
    await startUntilItDoes(consumer, stopped)
    if (!stopped.aborted) await new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }))
    await consumer.close()
    return 0
  } catch (error) {
    if (!HoldfastError.is(error)) throw error
    journal.write({ f: 'log', level: 'error', text: `the consumer does not start: ${error.code}` })
    return REFUSED
  } finally {
    clearInterval(health)
    await Promise.all([store.close(), dedupe.close()])
    await resources.stop()
  }
}

function makeConsumer(config: ConsumerConfig, journal: Journal) {
  const { group, subscription } = config
  const calls = createOpenCalls()
  const store = openEffectStore(config)
  const dedupe = openDedupe(config, journal)
  const driver = journalingDriver(workerDriver(config.driver, config.proc, config.brokers), journal, calls)
  const handler = chaosHandler(config, journal, store, calls)
  const consumer = createConsumer({
    driver,
    groupId: group,
    runtime: workerRuntime(config),
    logger: workerLogger(journal),
    ...config.consumer,
  }).on(chaosTopic(config.topic), handler, {
    ...subscription,
    errors: [{ when: DownstreamError, verdict: 'pause' }],
    ...dedupe.options,
  })
  tellOutcomes(consumer, config, journal, calls)
  return { consumer, store, dedupe }
}

function tellOutcomes(consumer: Consumer, { group, dedupe }: ConsumerConfig, journal: Journal, calls: OpenCalls): void {
  // A handler in an inbox ends before its transaction does.
  if (dedupe.kind === 'inbox')
    consumer.listen('handled', ({ position }) => journal.write({ f: 'handled', group, ...position }))
  consumer.listen('paused', ({ partition, reason }) => {
    journal.write({ f: 'paused', group, ...partition, reason })
  })
  consumer.listen('retrying', ({ position, attempt, delayMs, error }) => {
    const code = (error as { readonly code?: unknown } | null)?.code
    journal.write({ f: 'retry', group, ...position, attempt, delayMs, ...(typeof code === 'string' ? { code } : {}) })
  })
  consumer.listen('duplicate', ({ position, messageId }) => {
    journal.write({ f: 'dedupe', group, ...position, value: messageId, hit: true })
  })
  consumer.listen('parked', ({ position, deadLetterTopic, reason }) => {
    journal.write({ f: 'park', group, ...position, deadLetterTopic, code: reason })
  })
  consumer.listen('skipped', ({ position, reason }) => {
    const epoch = calls.epochOf(position)
    const value = formatPosition(position)
    const end = { ...position, epoch, key: null, value, attempt: 0, result: 'skipped', code: reason } as const
    journal.write({ f: 'handler-end', group, ...end })
  })
  consumer.listen('stale-refused', ({ position, operation }) => {
    journal.write({ f: 'refused', group, ...position, operation })
  })
  consumer.listen('out-of-range', ({ position, continuesAt }) => {
    const { topic, partition, offset } = position
    journal.write({ f: 'reset', group, topic, partition, from: offset, to: continuesAt, why: 'out of range' })
  })
}

/** A cluster that is out when a service starts is no reason to give up. */
async function startUntilItDoes(consumer: Consumer, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    try {
      return await consumer.start()
    } catch (error) {
      if (stopped.aborted || HoldfastError.is(error, 'HOLDFAST_CLOSED')) return
      if (!HoldfastError.is(error) || !error.retriable) throw error
      await sleep(START_AGAIN_MS)
    }
  }
}

function underWay(consumer: Consumer): number {
  return consumer.health().partitions.reduce((sum, partition) => sum + partition.underWay, 0)
}

import { setTimeout as sleep } from 'node:timers/promises'
import { HoldfastError } from '../../../src/errors/index.ts'
import type { Producer, SendResult } from '../../../src/producer/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import { seededRandom } from '../../../src/testing/index.ts'
import type { Journal } from '../history/index.ts'
import { chaosTopic } from './chaos-topic.ts'
import { workerDriver } from './drivers.ts'
import { REFUSED } from './exit-codes.ts'
import { VALUE_HEADER } from './journaling-driver.ts'
import { sampleResources } from './resources.ts'
import type { ProducerConfig } from './worker-config.ts'
import { workerLogger } from './worker-logger.ts'
import { workerRuntime } from './worker-runtime.ts'

const TICK_MS = 50
/** A cluster that is out for long must not fill this process's memory with what could not be sent. */
const MOST_OPEN = 2_000

/** Sends unique values at a steady rate until SIGTERM. Resolves with the exit code. */
export async function runProducer(config: ProducerConfig, journal: Journal, stopped: AbortSignal): Promise<number> {
  const { transactions } = config
  const producer = createProducer({
    driver: workerDriver(config.driver, config.proc, config.brokers),
    deliveryTimeoutMs: config.deliveryTimeoutMs,
    runtime: workerRuntime(config),
    logger: workerLogger(journal),
    ...(transactions === undefined
      ? {}
      : { transactionalId: transactions.transactionalId, transactionTimeoutMs: transactions.timeoutMs }),
  })
  const open = new Set<Promise<void>>()
  const resources = sampleResources(journal, () => open.size)
  resources.sample('baseline')
  const messages = nextMessages(config)

  async function pace(): Promise<number> {
    const begunAt = performance.now()
    let sent = 0
    while (!stopped.aborted) {
      const due = Math.floor(((performance.now() - begunAt) / 1_000) * config.ratePerSecond)
      for (; sent < due; sent++) {
        if (open.size >= MOST_OPEN) continue
        const sending = sendOne(producer, config, journal, messages()).finally(() => open.delete(sending))
        open.add(sending)
      }
      await sleep(TICK_MS)
    }
    return 0
  }

  async function transact(size: number, abortShare: number): Promise<number> {
    const random = seededRandom(config.seed)
    for (let count = 0; !stopped.aborted; count++) {
      const batch = Array.from({ length: size }, messages)
      const isFenced = await sendTransaction(
        producer,
        config,
        journal,
        `${config.proc}-t${count}`,
        batch,
        random() < abortShare,
      )
      if (isFenced) return REFUSED
      await sleep((size / config.ratePerSecond) * 1_000)
    }
    return 0
  }

  try {
    return await (transactions === undefined ? pace() : transact(transactions.size, transactions.abortShare))
  } finally {
    await Promise.all(open)
    await producer.close()
    await resources.stop()
  }
}

interface Outgoing {
  readonly value: string
  readonly key: string
  readonly pad: string
}

function nextMessages({ proc, keys, padBytes, oversized }: ProducerConfig): () => Outgoing {
  let count = 0
  return () => {
    const n = ++count
    const large = oversized !== undefined && n % oversized.every === 0
    return { value: `m-${proc}-${n}`, key: `k-${n % keys}`, pad: 'x'.repeat(large ? oversized.bytes : padBytes) }
  }
}

async function sendOne(producer: Producer, config: ProducerConfig, journal: Journal, message: Outgoing): Promise<void> {
  const { value } = message
  const { topic } = config
  journal.write({ f: 'produce-invoke', value, key: message.key, topic })
  try {
    const { partition, offset } = await producer.send(chaosTopic(topic), payloadOf(message, config), optionsOf(value))
    journal.write({ f: 'produce-ok', value, topic, partition, offset })
  } catch (error) {
    journal.write({ ...doubtOf(error), value })
  }
}

/** Resolves with whether this producer is done: another one took over its id. */
async function sendTransaction(
  producer: Producer,
  config: ProducerConfig,
  journal: Journal,
  txn: string,
  messages: readonly Outgoing[],
  isAborted: boolean,
): Promise<boolean> {
  const { topic } = config
  const { transactionalId, holdMs = 0 } = config.transactions!
  const rollback = new Error('rolled back on purpose')
  try {
    await producer.transaction(async (transaction) => {
      journal.write({ f: 'txn-begin', txn, transactionalId })
      const send = async (message: Outgoing): Promise<SendResult> => {
        const { value, key } = message
        journal.write({ f: 'produce-invoke', value, key, topic, txn })
        try {
          const result = await transaction.send(chaosTopic(topic), payloadOf(message, config), optionsOf(value))
          journal.write({ f: 'produce-ok', value, topic, partition: result.partition, offset: result.offset, txn })
          return result
        } catch (error) {
          journal.write({ ...doubtOf(error), value, txn })
          throw error
        }
      }
      const sent = await Promise.allSettled(messages.map(send))
      const failed = sent.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      await sleep(holdMs)
      if (isAborted) throw rollback
    })
    journal.write({ f: 'txn-commit', txn, transactionalId })
    return false
  } catch (error) {
    const isInDoubt = HoldfastError.is(error, 'HOLDFAST_INDETERMINATE')
    journal.write({ f: isInDoubt ? 'txn-info' : 'txn-abort', txn, transactionalId })
    if (error !== rollback) journal.write({ f: 'log', level: 'warn', text: `${txn} failed: ${doubtOf(error).code}` })
    return HoldfastError.is(error, 'HOLDFAST_FENCED')
  }
}

function payloadOf({ value, key, pad }: Outgoing, { canary }: ProducerConfig) {
  return { value, key, canary, ...(pad === '' ? {} : { pad }) }
}

function optionsOf(value: string) {
  return { id: value, headers: [[VALUE_HEADER, value]] as const }
}

/** Only our own codes promise that nothing was written. */
function doubtOf(error: unknown): { readonly f: 'produce-fail' | 'produce-info'; readonly code: string } {
  if (!HoldfastError.is(error)) return { f: 'produce-info', code: error instanceof Error ? error.name : 'unknown' }
  return { f: error.code === 'HOLDFAST_INDETERMINATE' ? 'produce-info' : 'produce-fail', code: error.code }
}

import type { Runtime } from '../clock/index.ts'
import type { Compression, ProduceBatch, ProduceOutcome } from '../driver/index.ts'
import { KNOWS_NO_SUCH_PLACE, REFUSES_A_RECORD } from '../driver/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { OutboundRecord, TopicPartition } from '../record/index.ts'
import { BATCH_OVERHEAD, formatPartition } from '../record/index.ts'
import { backoffDelay } from '../retry/index.ts'
import { RETRY_BACKOFF } from './partition-counts.ts'
import type { PendingSend } from './pending-send.ts'

/** Where batches go: a driver's producer, or its transaction. */
export type ProduceBatchTo = (
  batch: ProduceBatch,
  options: { readonly timeoutMs: number },
) => Promise<readonly ProduceOutcome[]>

/** What a {@link PartitionQueue} works with. */
export interface PartitionQueueOptions extends TopicPartition {
  readonly produce: ProduceBatchTo
  readonly runtime: Runtime
  readonly lingerMs: number
  readonly maxBatchRecords: number
  readonly maxBatchBytes: number
  readonly compression: Compression
  /** May a batch that certainly was not written be written again? Not in a transaction: its first failure ends it. */
  readonly repeats: boolean
  /** Is somebody waiting for what is sent to end? Then no batch lingers. */
  readonly isHurried: () => boolean
  /** A batch was taken off the queue. */
  readonly onTaken: (partition: number) => void
  /** The broker does not know the partition. Looks at the topic again, and answers with those sends that still belong here. */
  readonly onUnknown: (sends: readonly PendingSend[]) => Promise<readonly PendingSend[]>
}

/**
 * The sends of one partition, in their order. One batch is under way at a time, since only so the order of a key holds when one
 * fails; what comes meanwhile makes the next batch. So batches grow with the load by themselves, without waiting for more.
 */
export interface PartitionQueue {
  add(send: PendingSend): void
  /** Ends the linger that is under way. */
  hurry(): void
}

/** Makes a {@link PartitionQueue}. */
export function createPartitionQueue(options: PartitionQueueOptions): PartitionQueue {
  const { topic, partition, produce, runtime, lingerMs, maxBatchRecords, compression, repeats } = options
  const { clock, random } = runtime
  let queue: PendingSend[] = []
  let head = 0
  let queuedBytes = 0
  let running = false
  let lingering: AbortController | undefined
  let maxBatchBytes = options.maxBatchBytes

  const run = async (): Promise<void> => {
    await Promise.resolve() // what else is sent in this turn belongs to the same batch
    while (head < queue.length) {
      await linger()
      const batch = take()
      if (batch.length > 0) await deliver(batch)
    }
    running = false
  }

  const linger = async (): Promise<void> => {
    if (lingerMs === 0 || isFull() || options.isHurried()) return
    lingering = new AbortController()
    await clock.sleep(lingerMs, lingering.signal).catch(() => {}) // hurried
    lingering = undefined
  }

  const isFull = (): boolean => queue.length - head >= maxBatchRecords || queuedBytes + BATCH_OVERHEAD >= maxBatchBytes

  const take = (): PendingSend[] => {
    const batch: PendingSend[] = []
    let bytes = BATCH_OVERHEAD
    while (head < queue.length && batch.length < maxBatchRecords) {
      const send = queue[head]!
      if (!send.isOver) {
        if (batch.length > 0 && bytes + send.size > maxBatchBytes) break
        batch.push(send)
        bytes += send.size
      }
      queuedBytes -= send.size
      head++
    }
    if (head === queue.length) {
      queue = []
      head = 0
    } else if (head > COMPACT_AT) {
      queue = queue.slice(head)
      head = 0
    }
    options.onTaken(partition)
    return batch
  }

  // Parts stand on the stack in reverse: the next one to write is the last.
  const deliver = async (batch: readonly PendingSend[]): Promise<void> => {
    const parts: Array<readonly PendingSend[]> = [batch]
    let failures = 0
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const verdict = await attempt(part)
      if (verdict.split.length > 0) {
        const middle = Math.ceil(verdict.split.length / 2)
        if (verdict.split.length > 1) parts.push(verdict.split.slice(middle))
        parts.push(verdict.split.slice(0, middle))
      }
      if (verdict.unknown.length > 0) parts.push(await options.onUnknown(verdict.unknown))
      if (verdict.again.length === 0) failures = 0
      else {
        parts.push(verdict.again)
        await clock.sleep(backoffDelay(RETRY_BACKOFF, ++failures, random()))
      }
    }
  }

  const attempt = async (part: readonly PendingSend[]): Promise<Verdict> => {
    const verdict: Verdict = { split: [], again: [], unknown: [] }
    let sends: readonly PendingSend[] = part
    let outcomes: readonly ProduceOutcome[] = []
    let fault: unknown
    try {
      await runtime.failpoint('producer:before-produce')
      sends = part.filter((send) => !send.isOver) // some may have been withdrawn while they waited
      if (sends.length === 0) return verdict
      const records: OutboundRecord[] = []
      let deadline = 0
      for (const send of sends) {
        records.push(recordOf(send, topic, partition))
        send.phase = 'handed'
        if (send.deadline > deadline) deadline = send.deadline
      }
      const timeoutMs = Math.max(1, Math.ceil(deadline - clock.monotonic()))
      outcomes = await produce({ topic, partition, records, compression }, { timeoutMs })
      await runtime.failpoint('producer:after-produce')
    } catch (error) {
      fault = error // the port forbids it; whatever it is, what was handed over may have been written
    }
    for (const [i, send] of sends.entries()) judge(send, outcomes[i] ?? unanswered(fault), sends.length, verdict)
    if (verdict.split[0]?.lastError?.code === 'HOLDFAST_RECORD_TOO_LARGE') learnLimit(verdict.split)
    return verdict
  }

  const judge = (send: PendingSend, outcome: ProduceOutcome, among: number, verdict: Verdict): void => {
    if (outcome.ok) return send.succeed(partition, outcome.offset)
    const { error } = outcome
    if (send.isOver) return
    const next = repeats ? whatNext(send, error, among) : undefined
    if (next === undefined) return send.fail(error)
    send.phase = 'queued' // every code but INDETERMINATE promises that nothing was written
    send.lastError = error
    verdict[next].push(send)
    if (next === 'unknown') send.lookedAgain = true
  }

  // Without this every batch of a topic with a smaller limit than ours would be refused once before it is split.
  const learnLimit = (sends: readonly PendingSend[]): void => {
    const sizes = sends.map((send) => send.size)
    const [total, largest] = [sizes.reduce((sum, size) => sum + size, BATCH_OVERHEAD), Math.max(...sizes)]
    if (total > 2 * largest) maxBatchBytes = Math.min(maxBatchBytes, Math.ceil(total / 2))
  }

  return {
    add(send) {
      send.phase = 'queued'
      queue.push(send)
      queuedBytes += send.size
      if (lingering !== undefined && isFull()) lingering.abort()
      if (running) return
      running = true
      void run()
    },
    hurry: () => lingering?.abort(),
  }

  function unanswered(fault: unknown): ProduceOutcome {
    const message = `a produce call to ${formatPartition(options)} ended without an outcome: it may or may not have been written`
    return {
      ok: false,
      error: new HoldfastError('HOLDFAST_INDETERMINATE', message, fault === undefined ? {} : { cause: fault }),
    }
  }
}

/** What of a part is to be tried again, and how. */
interface Verdict {
  /** Refused, with others beside: in halves, until the guilty one stands alone. */
  readonly split: PendingSend[]
  /** For now nothing can be written. */
  readonly again: PendingSend[]
  /** The partition is not there. */
  readonly unknown: PendingSend[]
}

function whatNext(send: PendingSend, error: HoldfastError, among: number): keyof Verdict | undefined {
  if (REFUSES_A_RECORD.has(error.code)) return among > 1 ? 'split' : undefined
  if (KNOWS_NO_SUCH_PLACE.has(error.code)) return send.lookedAgain ? undefined : 'unknown'
  return error.code === 'HOLDFAST_UNAVAILABLE' && error.retriable ? 'again' : undefined
}

function recordOf(send: PendingSend, topic: string, partition: number): OutboundRecord {
  const { key, value, headers, timestamp } = send.message!
  return { topic, partition, key, value, headers, timestamp }
}

const COMPACT_AT = 10_000

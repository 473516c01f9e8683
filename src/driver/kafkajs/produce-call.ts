import type { Message, RecordMetadata } from 'kafkajs'
import type { Runtime } from '../../clock/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { formatPartition } from '../../record/index.ts'
import type { ProduceBatch } from '../driver-producer.ts'
import type { Deadline } from './deadline.ts'
import { LATE } from './deadline.ts'
import { describeFailure, holdfastError, readFailure } from './kafkajs-errors.ts'
import type { InnerProducer } from './kafkajs-inner-producer.ts'
import type { PartitionCounts } from './kafkajs-partitions.ts'
import { packedCompression, toKafkajsMessages } from './packed-records.ts'
import { judgeAttempt } from './produce-verdict.ts'

/** How a batch ended, all its records alike. */
export type BatchResult =
  | { readonly kind: 'written'; readonly baseOffset: bigint }
  | { readonly kind: 'not-written'; readonly error: HoldfastError }
  /** It may be on the log, or get there as long as bytes of `inner` are on their way. */
  | { readonly kind: 'unknown'; readonly error: HoldfastError; readonly inner: InnerProducer }

/** One request to one partition, as kafkajs takes it. */
export type SendBatch = (
  inner: InnerProducer,
  request: {
    readonly topic: string
    readonly messages: Message[]
    readonly acks: -1
    readonly timeout: number
    readonly compression: number
  },
) => Promise<RecordMetadata[]>

/** What a call needs. */
export interface ProduceCallParts {
  readonly runtime: Runtime
  readonly counts: PartitionCounts
  /** The inner producer of new work, a fresh one after the last was retired; undefined once all is closed. */
  inner(): InnerProducer | undefined
  readonly send: SendBatch
  /**
   * How long kafkajs may take for an answer, its own timeout and a quota's throttle included. What is not answered by then never is:
   * a request that is written while kafkajs ends its connection is forgotten (`network/connection.js`, `onEnd` after `disconnect`).
   */
  readonly answerMs: number
  /** A transaction lives and dies with one inner producer, which is then never renewed in the middle of a call. */
  readonly transactional: boolean
}

/**
 * Writes a batch: attempts until the deadline, each judged by itself. As soon as one may have reached the log (doubt), all
 * later ones go through the same inner producer, whose sequence numbers alone let the broker recognise the repeat, and no
 * refusal proves anything any more. Never rejects.
 *
 * A crash at any await leaves the batch on the log or not; the caller had no answer and may repeat it.
 */
export async function produceCall(
  parts: ProduceCallParts,
  batch: ProduceBatch,
  deadline: Deadline,
): Promise<BatchResult> {
  const { runtime, counts } = parts
  const place = formatPartition(batch)
  let doubt = false
  let lastError: unknown
  const notWritten = (error: HoldfastError): BatchResult => ({ kind: 'not-written', error })

  if (deadline.left() <= 0) return notWritten(outOfTime(place, undefined))
  const first = parts.inner()
  if (first === undefined) return notWritten(closed(place))
  let inner = first
  let release = inner.hold()
  const unknown = (): BatchResult => {
    inner.retire()
    const seen = lastError === undefined ? 'no answer came in time' : describeFailure(readFailure(lastError))
    const message = `it is unknown whether a batch for ${place} was written: ${seen}`
    return { kind: 'unknown', inner, error: holdfastCause(message, lastError) }
  }

  try {
    for (let attempt = 1; ; attempt++) {
      if (!doubt && inner.retired && !parts.transactional) {
        const fresh = parts.inner()
        if (fresh === undefined) return notWritten(closed(place))
        release()
        inner = fresh
        release = inner.hold()
      }
      const result = await attemptOnce(parts, inner, batch, deadline, doubt || parts.transactional)
      if (result.kind === 'written') return result
      if (result.kind === 'late') {
        doubt ||= result.wasEncoded
        inner.retire() // kafkajs still holds the call; whatever it does with it must not meet later records
        if (doubt) return unknown()
        if (parts.transactional || deadline.left() <= 0) return notWritten(outOfTime(place, lastError))
        await runtime.failpoint('kafkajs-produce:stuck')
        continue // stuck before it sent anything, at a broker that hangs: a fresh producer begins at another one
      }
      if (result.kind === 'strange') {
        doubt = true
        return unknown()
      }

      let next: 'repeat' | 'renew' | 'look' | 'stop' = 'look'
      if (result.kind === 'failed') {
        lastError = result.error
        const verdict = judgeAttempt(result.error, result.wasEncoded, parts.transactional)
        next = verdict.next
        if (next === 'look' || verdict.nothingWritten) {
          if (doubt && (next === 'renew' || next === 'stop')) return unknown()
          if (next === 'renew' && parts.transactional) next = 'stop'
          if (next === 'stop') return notWritten(holdfastError(verdict.code, result.error, 'produce', place))
        } else {
          doubt = true
          if (next === 'stop') return unknown()
        }
      }

      if (next === 'look') {
        const seen = await lookAt(counts, batch, deadline)
        const wasEncoded = result.kind === 'failed' && result.wasEncoded
        // A right that is missing now proves nothing about a request that was sent before.
        if (seen?.code === 'HOLDFAST_NOT_AUTHORIZED' && wasEncoded) doubt = true
        if (seen !== undefined) {
          // What kafkajs has in its list of topics and is gone fails the sends to all others too.
          if (inner.topics.has(batch.topic)) inner.retire()
          return doubt ? unknown() : notWritten(seen)
        }
        // The topic is there: an old list of topics or partitions, or an answer after a lost response.
        if (wasEncoded) doubt = true
        else if (!doubt) next = 'renew'
      }
      if (inner.isCut && (doubt || parts.transactional)) return doubt ? unknown() : notWritten(closed(place))
      if (next === 'renew' && !parts.transactional) inner.retire()

      const waitMs = pauseBefore(attempt + 1, parts)
      if (deadline.left() <= waitMs) {
        return doubt ? unknown() : notWritten(outOfTime(place, lastError))
      }
      await runtime.failpoint('kafkajs-produce:between-attempts')
      await deadline.pause(waitMs)
    }
  } finally {
    release()
  }
}

type Attempt =
  | { readonly kind: 'written'; readonly baseOffset: bigint }
  | { readonly kind: 'failed'; readonly error: unknown; readonly wasEncoded: boolean }
  | { readonly kind: 'late'; readonly wasEncoded: boolean }
  /** kafkajs resolved without having sent anything: it does not know the partition (`cluster/index.js:320`). */
  | { readonly kind: 'skipped' }
  | { readonly kind: 'strange' }

/** @param isBound - only this inner producer will do: wait for it for as long as kafkajs may take */
async function attemptOnce(
  { runtime, send, answerMs }: ProduceCallParts,
  inner: InnerProducer,
  batch: ProduceBatch,
  deadline: Deadline,
  isBound: boolean,
): Promise<Attempt> {
  const messages = toKafkajsMessages(batch)
  const gate = new EncodingGate(messages[0]!)
  messages[0] = gate
  try {
    const patience = deadline.within(isBound ? answerMs : STUCK_MS)
    if (!inner.isConnected && (await patience.race(inner.connect())) === LATE)
      return { kind: 'late', wasEncoded: false }
    await runtime.failpoint('kafkajs-produce:send')
    const request = {
      topic: batch.topic,
      messages,
      acks: -1 as const,
      timeout: Math.max(1, Math.floor(Math.min(deadline.left(), BROKER_WAIT_MS))),
      compression: packedCompression(batch.compression),
    }
    const call = send(inner, request)
    let answer = await patience.race(call)
    if (answer === LATE && gate.wasPassed) answer = await deadline.within(answerMs).race(call)
    if (answer === LATE) {
      gate.close()
      return { kind: 'late', wasEncoded: gate.wasPassed }
    }
    await runtime.failpoint('kafkajs-produce:answered')
    inner.topics.add(batch.topic)
    return readAnswer(answer, batch, gate.wasPassed)
  } catch (error) {
    return { kind: 'failed', error, wasEncoded: gate.wasPassed }
  }
}

function readAnswer(answer: readonly RecordMetadata[], batch: ProduceBatch, wasEncoded: boolean): Attempt {
  if (answer.length === 0 && !wasEncoded) return { kind: 'skipped' }
  const [only] = answer
  const fits = answer.length === 1 && only?.topicName === batch.topic && only.partition === batch.partition
  const baseOffset = only?.baseOffset
  if (!fits || only?.errorCode !== 0 || baseOffset === undefined || !/^\d+$/.test(baseOffset))
    return { kind: 'strange' }
  return { kind: 'written', baseOffset: BigInt(baseOffset) }
}

/**
 * The first message of a request. It tells whether kafkajs has begun to encode the request, and can forbid it. The one thing that
 * kafkajs reads there and nowhere before is the timestamp (`produce/v3/request.js:85`), so this one's is a getter. Should another
 * version read it earlier, attempts would count as sent that were not, which errs on the safe side.
 */
class EncodingGate implements Message {
  readonly partition: number
  readonly value: Buffer | string | null
  wasPassed = false
  #isClosed = false
  readonly #timestamp: string

  constructor({ partition, value, timestamp }: Message) {
    this.partition = partition!
    this.value = value
    this.#timestamp = timestamp!
  }

  get timestamp(): string {
    if (this.#isClosed) throw new Error('the delivery timeout is over')
    this.wasPassed = true
    return this.#timestamp
  }

  close(): void {
    this.#isClosed = true
  }
}

/** Is the partition there? An error when it certainly is not, or may not be written; undefined also when nobody answers. */
async function lookAt(
  counts: PartitionCounts,
  batch: ProduceBatch,
  deadline: Deadline,
): Promise<HoldfastError | undefined> {
  try {
    const count = await counts.ask(batch.topic, deadline)
    if (batch.partition < count) return undefined
    return new HoldfastError(
      'HOLDFAST_PARTITION_UNKNOWN',
      `${formatPartition(batch)} does not exist: the topic has ${count}`,
    )
  } catch (error) {
    return HoldfastError.is(error) && error.code !== 'HOLDFAST_UNAVAILABLE' ? error : undefined
  }
}

function outOfTime(place: string, lastError: unknown): HoldfastError {
  if (lastError !== undefined) return holdfastError('HOLDFAST_UNAVAILABLE', lastError, 'produce', place)
  const message = `the batch for ${place} could not be handed to the broker in time; nothing was written`
  return new HoldfastError('HOLDFAST_DELIVERY_TIMEOUT', message, { retriable: true })
}

function closed(place: string): HoldfastError {
  return new HoldfastError('HOLDFAST_CLOSED', `the producer was closed before the batch for ${place} was sent`)
}

function holdfastCause(message: string, error: unknown): HoldfastError {
  const { cause } = error === undefined ? {} : holdfastError('HOLDFAST_INDETERMINATE', error, 'produce')
  return new HoldfastError('HOLDFAST_INDETERMINATE', message, cause === undefined ? {} : { cause })
}

/** Doubling from 10 ms, half of it by chance so that many clients do not come back together; a transaction waits only shortly. */
function pauseBefore(attempt: number, { runtime, transactional }: ProduceCallParts): number {
  const most = transactional ? 50 : 1_000
  const delay = Math.min(most, 10 * 2 ** Math.min(attempt - 2, 10))
  return delay * (0.5 + 0.5 * runtime.random())
}

/**
 * How long an attempt may go without having sent anything before it counts as stuck. kafkajs waits 30 s for a broker that takes
 * a connection and is silent, and asks any broker it is connected to for metadata, the silent one too. Long enough for TLS and
 * SASL to a far cluster.
 */
const STUCK_MS = 5_000

/** How long a broker waits for its replicas, at most: `request.timeout.ms` of Kafka's own clients. */
const BROKER_WAIT_MS = 30_000

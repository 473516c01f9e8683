import { MAX_TIMER_MS } from '../clock/index.ts'
import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import { recordSize } from '../record/index.ts'
import { describeMessage, noTelemetry, withTraceHeaders } from '../telemetry/index.ts'
import type { EncodedMessage, EncodingSurroundings, PreparedMessage } from '../topic/index.ts'
import { isPromiseLike, messageInvalid } from '../topic/index.ts'
import { createDeadlines } from './deadlines.ts'
import type { Delivery } from './delivery.ts'
import { PendingSend } from './pending-send.ts'
import type { DeliveryOptions, SendManyOutcome } from './producer.ts'
import type { ProducerSettings } from './producer-options.ts'
import { createSendBuffer } from './send-buffer.ts'
import { createTurnstiles } from './turnstiles.ts'
import { createWithdrawals } from './withdrawals.ts'

/** How one send enters the pipeline. */
export interface SendStart {
  readonly topic: string
  readonly givenId: string | undefined
  readonly prepared: PreparedMessage | Promise<PreparedMessage>
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly delivery: Delivery
  /** May it wait for room in the buffer? */
  readonly waits: boolean
  readonly settle: (outcome: SendManyOutcome) => void
}

/**
 * The way of every send of one producer: prepared → turn (the order of the calls) → room in the buffer → its partition's queue. At
 * each step its deadline, its signal or the producer's close can end it.
 */
export interface SendPipeline {
  readonly encoding: EncodingSurroundings
  start(send: SendStart): void
  /** Those that have not ended. */
  live(): readonly PendingSend[]
  /** Resolves when all of these have ended. */
  ended(sends: readonly PendingSend[]): Promise<void>
}

/** The delivery options of a call, each read once, or what is wrong with them: then none of them may be used. */
export interface DeliveryReading {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly problems: readonly Problem[]
}

/** Reads the delivery options of a call. Never throws, whatever they are and do. */
export function readDeliveryOptions(options: unknown): DeliveryReading {
  if (typeof options !== 'object' || options === null) return unreadable('must be an object')
  let timeoutMs: number | undefined
  let signal: AbortSignal | undefined
  try {
    ;({ deliveryTimeoutMs: timeoutMs, signal } = options as DeliveryOptions)
  } catch {
    return unreadable('cannot be read: it throws')
  }
  const problems: Problem[] = []
  if (timeoutMs !== undefined && !(Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMER_MS)) {
    problems.push({ path: '(deliveryTimeoutMs)', message: 'must be an integer of 1 to 2^31 - 1' })
  }
  if (signal !== undefined && !((signal as unknown) instanceof AbortSignal)) {
    problems.push({ path: '(signal)', message: 'must be an AbortSignal' })
  }
  return problems.length === 0 ? { timeoutMs, signal, problems } : { problems }
}

function unreadable(message: string): DeliveryReading {
  return { problems: [{ path: '(options)', message }] }
}

/** Makes a {@link SendPipeline}. */
export function createSendPipeline(settings: ProducerSettings, encoding: EncodingSurroundings): SendPipeline {
  const { runtime, telemetry, maxRequestBytes } = settings
  const withdrawals = createWithdrawals()
  const turnstiles = createTurnstiles()
  const buffer = createSendBuffer(settings.maxBufferedBytes)

  const deadlines = createDeadlines(runtime.clock, (send) => {
    if (send.phase === 'handed' && !send.inGrace) {
      send.inGrace = true
      deadlines.add(send, GRACE_MS) // the driver has the same deadline, and its verdict may be certain
    } else {
      const code = send.phase === 'buffering' ? 'HOLDFAST_BUFFER_FULL' : 'HOLDFAST_DELIVERY_TIMEOUT'
      send.giveUp(code, send.phase === 'buffering' ? 'found no room in the send buffer in time' : 'took too long')
    }
  })

  const hooks = {
    onEnd(send: PendingSend): void {
      deadlines.remove(send)
      withdrawals.forget(send)
      buffer.release(send)
      turnstiles.moved(send.topic)
    },
  }

  const accept = (send: PendingSend, prepared: PreparedMessage): void => {
    if (send.isOver) return
    if (prepared.kind === 'invalid') return send.fail(messageInvalid(send.topic, prepared.problems))
    const message = telemetry === noTelemetry ? prepared.message : observed(send, prepared.message)
    const size = recordSize(message)
    send.prepared(message, size)
    if (size > maxRequestBytes) {
      const text = `a message for ${send.topic} has about ${size} bytes, more than maxRequestBytes (${maxRequestBytes}): nothing was written`
      send.fail(new HoldfastError('HOLDFAST_RECORD_TOO_LARGE', text))
    }
  }

  const observed = (send: PendingSend, message: EncodedMessage): EncodedMessage => {
    send.observation = telemetry.sending(describeMessage(message), message.headers)
    const { headers } = send.observation
    return headers.length === 0 ? message : { ...message, headers: withTraceHeaders(message.headers, headers) }
  }

  return {
    encoding,
    start({ topic, givenId, prepared, timeoutMs, signal, delivery, waits, settle }) {
      const send = new PendingSend(topic, givenId, waits, hooks, settle)
      deadlines.add(send, timeoutMs)
      if (signal !== undefined) withdrawals.watch(send, signal)
      if (!isPromiseLike(prepared)) accept(send, prepared)
      if (send.isOver) return
      turnstiles.enter(send, () => buffer.admit(send, (next) => delivery.route(next)))
      if (!isPromiseLike(prepared)) return
      void prepared.then((each) => {
        accept(send, each)
        turnstiles.moved(topic)
      })
    },
    live: () => deadlines.live(),
    ended: (sends) =>
      new Promise((resolve) => {
        let left = sends.length
        if (left === 0) resolve()
        for (const send of sends) (send.waiters ??= []).push(() => void (--left === 0 && resolve()))
      }),
  }
}

const GRACE_MS = 250

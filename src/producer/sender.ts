import { HoldfastError } from '../errors/index.ts'
import type { Problem } from '../errors/index.ts'
import type { AnySendableTopic, AnyTopic, Key, MessageOptions, OneOfMany, PreparedMessage } from '../topic/index.ts'
import {
  allOfMany,
  isPromiseLike,
  messagesInvalid,
  noListOfMessages,
  prepareMessage,
  prepareOneOfMany,
  prepareTombstone,
  problemsOfMany,
  topicNameOf,
} from '../topic/index.ts'
import type { Delivery } from './delivery.ts'
import type { DeliveryOptions, SendManyOutcome, SendOptions, SendResult } from './producer.ts'
import type { DeliveryReading, SendPipeline } from './send-pipeline.ts'
import { readDeliveryOptions } from './send-pipeline.ts'

/** The calls of a producer, and of a transaction, that send. */
export interface Sender {
  send(topic: AnySendableTopic, value: unknown, options: SendOptions): Promise<SendResult>
  sendTombstone(topic: AnyTopic, key: Key, options: SendOptions): Promise<SendResult>
  sendMany(messages: readonly AnyMessage[], options: DeliveryOptions): Promise<readonly SendManyOutcome[]>
  sendAndForget(
    topic: AnySendableTopic,
    value: unknown,
    onError: (error: HoldfastError) => void,
    options: SendOptions,
  ): void
}

/** A message of a `sendMany`, whatever its topic. */
export type AnyMessage = MessageOptions & { readonly topic: AnySendableTopic; readonly value: unknown }

/** What a {@link Sender} works with. */
export interface SenderDependencies {
  readonly pipeline: SendPipeline
  readonly delivery: Delivery
  /** For calls that say nothing else. */
  readonly deliveryTimeoutMs: number
  /** Why nothing is sent any more, where that is so. */
  readonly refusal: () => HoldfastError | undefined
  /** Told of what the `onError` of a `sendAndForget` threw, or rejected with. */
  readonly onErrorThrew: (topic: string, error: unknown) => void
}

/** Makes a {@link Sender}. */
export function createSender(dependencies: SenderDependencies): Sender {
  const { pipeline, delivery, deliveryTimeoutMs, refusal, onErrorThrew } = dependencies
  const { encoding } = pipeline

  const start = (one: OneSend, reading: DeliveryReading, waits: boolean, settle: Settle): void => {
    const { topic, givenId } = one
    const { timeoutMs = deliveryTimeoutMs, signal, problems } = reading
    const prepared = problems.length === 0 ? one.prepared : withProblems(one.prepared, problems)
    pipeline.start({ topic, givenId, prepared, timeoutMs, signal, delivery, waits, settle })
  }

  const promised = (one: OneSend, options: SendOptions): Promise<SendResult> =>
    new Promise((resolve, reject) =>
      start(one, readDeliveryOptions(options), true, (outcome) =>
        outcome.ok ? resolve(outcome.result) : reject(outcome.error),
      ),
    )

  // It is called in the middle of the work of a partition, or of the caller: what it throws must not end either.
  const tell = (onError: (error: HoldfastError) => unknown, topic: string, error: HoldfastError): void => {
    const threw = (thrown: unknown): void => {
      try {
        onErrorThrew(topic, thrown)
      } catch {
        // a logger that throws: there is nobody left to tell
      }
    }
    try {
      const answer = onError(error)
      if (isPromiseLike(answer)) Promise.resolve(answer).catch(threw)
    } catch (thrown) {
      threw(thrown)
    }
  }

  const allStarted = (all: readonly OneSend[], reading: DeliveryReading): Promise<readonly SendManyOutcome[]> =>
    new Promise((resolve) => {
      const outcomes: SendManyOutcome[] = Array.from({ length: all.length })
      let left = all.length
      if (left === 0) resolve(outcomes)
      for (const [i, one] of all.entries()) {
        start(one, reading, true, (outcome) => {
          outcomes[i] = outcome
          if (--left === 0) resolve(outcomes)
        })
      }
    })

  return {
    send(topic, value, options) {
      const refused = refusal()
      if (refused !== undefined) return Promise.reject(refused)
      return promised(oneSend(topic, options, prepareMessage(topic, value, options, encoding)), options)
    },

    sendTombstone(topic, key, options) {
      const refused = refusal()
      if (refused !== undefined) return Promise.reject(refused)
      return promised(oneSend(topic, options, prepareTombstone(topic, key, options, encoding)), options)
    },

    sendAndForget(topic, value, onError, options) {
      if (typeof onError !== 'function') {
        const problems = [
          { path: 'onError', message: 'must be a function: nobody else would hear that a message is lost' },
        ]
        throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'sendAndForget sent nothing', { problems })
      }
      const refused = refusal()
      if (refused !== undefined) return tell(onError, topicNameOf(topic), refused)
      const one = oneSend(topic, options, prepareMessage(topic, value, options, encoding))
      start(one, readDeliveryOptions(options), false, (outcome) => {
        if (!outcome.ok) tell(onError, one.topic, outcome.error)
      })
    },

    async sendMany(messages, options) {
      const refused = refusal()
      if (refused !== undefined) throw refused
      if (!Array.isArray(messages)) throw noListOfMessages()
      const reading = readDeliveryOptions(options)
      const all = messages.map((message): OneSend => ({
        ...prepareOneOfMany(message, encoding),
        givenId: givenIdOf(message),
      }))
      const check = (prepared: readonly PreparedMessage[]): HoldfastError | undefined => {
        const problems = [...reading.problems, ...problemsOfMany(all, prepared)]
        return problems.length === 0 ? undefined : messagesInvalid(`of ${all.length} messages some`, problems)
      }
      const prepared = allOfMany(all)
      if (!isPromiseLike(prepared)) {
        const error = check(prepared)
        if (error !== undefined) throw error
        return allStarted(all, reading)
      }
      // They enter at once, each to be ready when all are: so they keep their place among other sends, and their deadlines, their
      // signal, a flush and a close see them although a validator may never answer.
      let error: HoldfastError | undefined
      const checked = prepared.then((each) => {
        error = check(each)
        return each
      })
      const ready = async (i: number): Promise<PreparedMessage> => {
        const each = (await checked)[i]!
        return error === undefined ? each : { kind: 'invalid', problems: [] }
      }
      const { timeoutMs, signal } = reading
      const outcomes = await allStarted(
        all.map((one, i) => ({ ...one, prepared: ready(i) })),
        { timeoutMs, signal, problems: [] },
      )
      if (error !== undefined) throw error
      return outcomes
    },
  }
}

type Settle = (outcome: SendManyOutcome) => void

/** A message on its way into the pipeline. */
interface OneSend extends OneOfMany {
  readonly givenId: string | undefined
}

function oneSend(topic: unknown, options: unknown, prepared: OneSend['prepared']): OneSend {
  return { topic: topicNameOf(topic), givenId: givenIdOf(options), prepared }
}

/** The id that the caller gave, for reports; whether it is one, the preparing says. */
function givenIdOf(options: unknown): string | undefined {
  try {
    const { id } = options as MessageOptions
    return typeof id === 'string' ? id : undefined
  } catch {
    return undefined
  }
}

/** Adds problems with the options of a call; that they cannot be read at all, the preparing may have said already. */
function withProblems(prepared: OneSend['prepared'], problems: readonly Problem[]): OneSend['prepared'] {
  const add = (each: PreparedMessage): PreparedMessage => {
    const said = each.kind === 'invalid' ? each.problems : []
    const more = problems.filter(({ path }) => !said.some((other) => other.path === path))
    return { kind: 'invalid', problems: [...said, ...more] }
  }
  return isPromiseLike(prepared) ? prepared.then(add) : add(prepared)
}

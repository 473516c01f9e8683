import { HoldfastError } from '../errors/index.ts'
import type { Problem } from '../errors/index.ts'
import type { AnySendableTopic, AnyTopic, Key, MessageOptions, PreparedMessage } from '../topic/index.ts'
import { isPromiseLike, prepareMessage, prepareTombstone } from '../topic/index.ts'
import type { Delivery } from './delivery.ts'
import type { DeliveryOptions, SendManyOutcome, SendOptions, SendResult } from './producer.ts'
import type { SendPipeline } from './send-pipeline.ts'
import { deliveryProblems } from './send-pipeline.ts'

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
}

/** Makes a {@link Sender}. */
export function createSender({ pipeline, delivery, deliveryTimeoutMs, refusal }: SenderDependencies): Sender {
  const start = (
    topic: string,
    prepared: PreparedMessage | Promise<PreparedMessage>,
    options: SendOptions,
    waits: boolean,
    settle: (outcome: SendManyOutcome) => void,
  ): void => {
    const problems = deliveryProblems(options)
    if (problems.length === 0) {
      const timeoutMs = options.deliveryTimeoutMs ?? deliveryTimeoutMs
      pipeline.start({
        topic,
        givenId: options.id,
        prepared,
        timeoutMs,
        signal: options.signal,
        delivery,
        waits,
        settle,
      })
    } else {
      // Not with these options: a timeout that is none must not reach a timer.
      const refused = withProblems(prepared, problems)
      pipeline.start({
        topic,
        givenId: options.id,
        prepared: refused,
        timeoutMs: deliveryTimeoutMs,
        signal: undefined,
        delivery,
        waits,
        settle,
      })
    }
  }

  const promised = (
    topic: AnyTopic,
    prepared: PreparedMessage | Promise<PreparedMessage>,
    options: SendOptions,
  ): Promise<SendResult> =>
    new Promise((resolve, reject) =>
      start(nameOf(topic), prepared, options, true, (outcome) =>
        outcome.ok ? resolve(outcome.result) : reject(outcome.error),
      ),
    )

  return {
    send(topic, value, options) {
      const refused = refusal()
      if (refused !== undefined) return Promise.reject(refused)
      return promised(topic, prepareMessage(topic, value, options, pipeline.encoding), options)
    },

    sendTombstone(topic, key, options) {
      const refused = refusal()
      if (refused !== undefined) return Promise.reject(refused)
      return promised(topic, prepareTombstone(topic, key, options, pipeline.encoding), options)
    },

    sendAndForget(topic, value, onError, options) {
      const refused = refusal()
      if (refused !== undefined) return onError(refused)
      start(nameOf(topic), prepareMessage(topic, value, options, pipeline.encoding), options, false, (outcome) => {
        if (!outcome.ok) onError(outcome.error)
      })
    },

    async sendMany(messages, options) {
      const refused = refusal()
      if (refused !== undefined) throw refused
      const optionProblems = deliveryProblems(options)
      const prepared = messages.map((message) =>
        prepareMessage(message.topic, message.value, message, pipeline.encoding),
      )
      const valid = allOf(prepared)
      const all = isPromiseLike(valid) ? await valid : valid // no await where nothing waits: the call keeps its place among others
      const problems = [...optionProblems, ...all.flatMap((each, i) => problemsAt(i, messages[i]!, each))]
      if (problems.length > 0) {
        const text = `of ${messages.length} messages some do not fit their topics; nothing was sent`
        throw new HoldfastError('HOLDFAST_MESSAGE_INVALID', text, { problems })
      }
      return outcomesOf(messages, all, options)
    },
  }

  function outcomesOf(
    messages: readonly AnyMessage[],
    prepared: readonly PreparedMessage[],
    options: DeliveryOptions,
  ): Promise<readonly SendManyOutcome[]> {
    return new Promise((resolve) => {
      const outcomes: SendManyOutcome[] = Array.from({ length: messages.length })
      let left = messages.length
      if (left === 0) resolve(outcomes)
      for (const [i, message] of messages.entries()) {
        const id = message.id === undefined ? {} : { id: message.id }
        start(nameOf(message.topic), prepared[i]!, { ...options, ...id }, true, (outcome) => {
          outcomes[i] = outcome
          if (--left === 0) resolve(outcomes)
        })
      }
    })
  }
}

function allOf(
  prepared: ReadonlyArray<PreparedMessage | Promise<PreparedMessage>>,
): readonly PreparedMessage[] | Promise<readonly PreparedMessage[]> {
  if (!prepared.some(isPromiseLike)) return prepared as readonly PreparedMessage[]
  return Promise.all(prepared.map((each) => Promise.resolve(each)))
}

/** From JavaScript anything can come in place of a topic; then the preparing says so. */
function nameOf(topic: unknown): string {
  const name: unknown = typeof topic === 'object' && topic !== null ? (topic as Partial<AnyTopic>).name : undefined
  return typeof name === 'string' ? name : '(no topic)'
}

function problemsAt(index: number, message: AnyMessage, prepared: PreparedMessage): readonly Problem[] {
  if (prepared.kind === 'encoded') return []
  return prepared.problems.map(({ path, message: text }) => ({
    path: `[${index}] ${nameOf(message.topic)}: ${path}`,
    message: text,
  }))
}

function withProblems(
  prepared: PreparedMessage | Promise<PreparedMessage>,
  problems: readonly Problem[],
): PreparedMessage | Promise<PreparedMessage> {
  const add = (each: PreparedMessage): PreparedMessage => ({
    kind: 'invalid',
    problems: each.kind === 'invalid' ? [...each.problems, ...problems] : problems,
  })
  return isPromiseLike(prepared) ? prepared.then(add) : add(prepared)
}

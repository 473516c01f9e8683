import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { EncodingSurroundings } from './encode-envelope.ts'
import type { PreparedMessage } from './encode-message.ts'
import { prepareMessage } from './encode-message.ts'
import type { MessageToSend } from './messages-to-send.ts'
import type { AnyTopic } from './topic.ts'
import { isPromiseLike } from './validate.ts'

/** A message of several, on its way to its final bytes. */
export interface OneOfMany {
  /** Its topic's name, for reports. */
  readonly topic: string
  readonly prepared: PreparedMessage | Promise<PreparedMessage>
}

/** Prepares one message of a list. From JavaScript anything can stand there; it is reported with the others. Never throws. */
export function prepareOneOfMany(message: unknown, surroundings: EncodingSurroundings): OneOfMany {
  try {
    const { topic, value } = message as MessageToSend
    return { topic: topicNameOf(topic), prepared: prepareMessage(topic, value, message as MessageToSend, surroundings) }
  } catch {
    const problems = [{ path: '(message)', message: 'must be an object with a topic and a value' }]
    return { topic: topicNameOf(undefined), prepared: { kind: 'invalid', problems } }
  }
}

/** All of them, at once when every validator answers at once. */
export function allOfMany(all: readonly OneOfMany[]): readonly PreparedMessage[] | Promise<readonly PreparedMessage[]> {
  const prepared = all.map((one) => one.prepared)
  if (!prepared.some(isPromiseLike)) return prepared as readonly PreparedMessage[]
  return Promise.all(prepared.map((each) => Promise.resolve(each)))
}

/** What is wrong with several messages, each by its index, its topic and its field path. */
export function problemsOfMany(all: readonly OneOfMany[], prepared: readonly PreparedMessage[]): readonly Problem[] {
  return prepared.flatMap((each, i) =>
    each.kind === 'encoded'
      ? []
      : each.problems.map(({ path, message }) => ({ path: `[${i}] ${all[i]!.topic}: ${path}`, message })),
  )
}

/** The error for messages that cannot be told apart, since they are no list. */
export function noListOfMessages(): HoldfastError {
  return messagesInvalid('the messages', [{ path: '(messages)', message: 'must be a list' }])
}

/** The error for several messages of which some do not fit their topics. @param which - such as `the messages` */
export function messagesInvalid(which: string, problems: readonly Problem[]): HoldfastError {
  const text = `${which} do not fit their topics; nothing was sent`
  return new HoldfastError('HOLDFAST_MESSAGE_INVALID', text, { problems })
}

/** From JavaScript anything can come in place of a topic; then the preparing says so. */
export function topicNameOf(topic: unknown): string {
  const name: unknown = typeof topic === 'object' && topic !== null ? (topic as Partial<AnyTopic>).name : undefined
  return typeof name === 'string' ? name : '(no topic)'
}

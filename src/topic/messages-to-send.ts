import type { MessageOptions } from './message-options.ts'
import type { AnySendableTopic, InputOf } from './topic.ts'

/** One message of a `sendMany` or an `enqueueMany`: its value is checked against its own topic. */
export type MessageToSend<Sendable extends AnySendableTopic = AnySendableTopic> = Sendable extends unknown
  ? MessageOptions & { readonly topic: Sendable; readonly value: InputOf<Sendable> }
  : never

/** The messages of a `sendMany` or an `enqueueMany`, each with the value of its own topic: a list of one topic's, or a mix of several. */
export type MessagesToSend<Topics extends readonly AnySendableTopic[]> = {
  readonly [Index in keyof Topics]: MessageToSend<Topics[Index]>
}

export { bytes } from './bytes-codec.ts'
export type { Codec, TypedCodec } from './codec.ts'
export { CodecError } from './codec.ts'
export { decodeMessage } from './decode-message.ts'
export type { KeyDefinition, NoKeyDefinition, SchemalessTopicDefinition, TopicDefinition } from './define-topic.ts'
export { defineTopic } from './define-topic.ts'
export type { EncodingSurroundings } from './encode-envelope.ts'
export { sourceHeader } from './encode-envelope.ts'
export type { EncodedMessage, PreparedMessage } from './encode-message.ts'
export { encodeMessage, messageInvalid, prepareMessage, prepareTombstone } from './encode-message.ts'
export type { JsonOptions } from './json-codec.ts'
export { json } from './json-codec.ts'
export type { MessageHeaders, MessageOptions } from './message-options.ts'
export type { MessagesToSend, MessageToSend } from './messages-to-send.ts'
export type { OneOfMany } from './prepare-many.ts'
export {
  allOfMany,
  messagesInvalid,
  noListOfMessages,
  prepareOneOfMany,
  problemsOfMany,
  topicNameOf,
} from './prepare-many.ts'
export type { InferInput, InferOutput, StandardIssue, StandardResult, StandardSchema } from './standard-schema.ts'
export type { AnySendableTopic, AnyTopic, InputOf, Key, KeyOf, OutputOf, SendableTopic, Topic } from './topic.ts'
export { DEAD_LETTER_SUFFIX, deadLetterTopicName, MAX_TOPIC_NAME_LENGTH, topicNameProblems } from './topic-name.ts'
export type { Validation } from './validate.ts'
export { isPromiseLike, validate } from './validate.ts'

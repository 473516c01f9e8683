import type { Problem } from '../errors/index.ts'
import { describeForeignError, HoldfastError, isInstance } from '../errors/index.ts'
import type { Header, Headers } from '../record/index.ts'
import { MESSAGE_HEADERS, textHeader } from '../record/index.ts'
import type { Codec } from './codec.ts'
import { CodecError } from './codec.ts'
import type { EncodingSurroundings, Envelope } from './encode-envelope.ts'
import { encodeEnvelope } from './encode-envelope.ts'
import { encodeKey } from './encode-key.ts'
import { formatFieldPath, WHOLE_VALUE } from './field-path.ts'
import type { MessageOptions } from './message-options.ts'
import type { AnySendableTopic, AnyTopic, Key, SendableTopic, Topic } from './topic.ts'
import { topicNameProblems } from './topic-name.ts'
import type { Validation } from './validate.ts'
import { isPromiseLike, validate } from './validate.ts'

/** A message in its final bytes. Nothing in it changes any more; its partition is still to be chosen unless it was given. */
export interface EncodedMessage {
  readonly topic: string
  readonly id: string
  /** Null where the topic says `key: 'none'`. */
  readonly key: Uint8Array | null
  /** Null is a tombstone. */
  readonly value: Uint8Array | null
  readonly headers: Headers
  /** Milliseconds since the epoch. */
  readonly timestamp: bigint
  readonly partition?: number
}

/** A message in its final bytes, or everything that is wrong with it. */
export type PreparedMessage =
  | { readonly kind: 'encoded'; readonly message: EncodedMessage }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

/**
 * Takes a message from its value to its final bytes: validated by the schema, keyed from the output, the input encoded. Answers at
 * once when the validator does.
 *
 * @throws HOLDFAST_MESSAGE_INVALID (thrown, or rejected by the promise) with every problem by field path.
 */
export function encodeMessage<Input, Output>(
  topic: SendableTopic<Input, Output>,
  value: Input,
  options: MessageOptions,
  surroundings: EncodingSurroundings,
): EncodedMessage | Promise<EncodedMessage> {
  const prepared = prepareMessage(topic, value, options, surroundings)
  return isPromiseLike(prepared) ? prepared.then((each) => messageOf(topic, each)) : messageOf(topic, prepared)
}

/** As {@link encodeMessage}, but answers with the problems, so that those of several messages can be reported together. */
export function prepareMessage(
  topic: AnySendableTopic,
  value: unknown,
  options: MessageOptions,
  surroundings: EncodingSurroundings,
): PreparedMessage | Promise<PreparedMessage> {
  if (!isTopic(topic))
    return { kind: 'invalid', problems: [{ path: '(topic)', message: 'must come from defineTopic' }] }
  // Encoded before it is validated, for two reasons: what a caller changes while a slow validator runs is not sent, and the codec's
  // depth limit stands before the validator. Nothing of it leaves unless the validator agrees.
  const encoded = encodeValue(topic.codec, value)
  const envelope = encodeEnvelope(options, contentTypeHeader(topic.codec), surroundings)
  const validation = validate(topic, value)
  return isPromiseLike(validation)
    ? validation.then((each) => finish(topic, encoded, each, envelope))
    : finish(topic, encoded, validation, envelope)
}

/** A tombstone in its final bytes: the key without a value, which deletes the key on a compacted topic. */
export function prepareTombstone(
  topic: AnyTopic,
  key: Key,
  options: MessageOptions,
  surroundings: EncodingSurroundings,
): PreparedMessage {
  const problems: Problem[] = []
  if (!isTopic(topic))
    return { kind: 'invalid', problems: [{ path: '(topic)', message: 'must come from defineTopic' }] }
  const keyBytes = checkKey(key, problems)
  if (topic.key === 'none')
    problems.push({ path: '(key)', message: "the topic says key: 'none'; it has no keys to delete" })
  return wrap(topic.name, keyBytes, null, encodeEnvelope(options, undefined, surroundings), problems)
}

/** Types say so; from JavaScript a name comes easily in place of a topic, and one that is put together may have any name. */
function isTopic(topic: unknown): boolean {
  if (typeof topic !== 'object' || topic === null) return false
  if (known.has(topic)) return true
  const { name, schema, codec } = topic as Partial<AnyTopic>
  if (topicNameProblems(name).length > 0 || schema === undefined || typeof codec?.contentType !== 'string') return false
  if (Object.isFrozen(topic)) known.add(topic)
  return true
}

/** Looked at once, and unchanged since: `defineTopic` freezes what it makes. */
const known = new WeakSet()

function messageOf(topic: Pick<Topic, 'name'>, prepared: PreparedMessage): EncodedMessage {
  if (prepared.kind === 'encoded') return prepared.message
  throw messageInvalid(topic.name, prepared.problems)
}

/** The error for a message that does not fit its topic. */
export function messageInvalid(topic: string, problems: readonly Problem[]): HoldfastError {
  return new HoldfastError('HOLDFAST_MESSAGE_INVALID', `a message for ${topic} does not fit; nothing was sent`, {
    problems,
  })
}

function encodeValue(codec: Codec, value: unknown): Uint8Array | Problem {
  try {
    const bytes: unknown = codec.encode(value)
    return bytes instanceof Uint8Array ? bytes : { path: WHOLE_VALUE, message: 'the codec gave no bytes for it' }
  } catch (error) {
    if (isInstance(error, CodecError)) return { path: formatFieldPath(error.path), message: error.message }
    return { path: WHOLE_VALUE, message: `the codec threw ${describeForeignError(error)}` }
  }
}

function finish(
  topic: AnySendableTopic,
  encoded: Uint8Array | Problem,
  validation: Validation<unknown>,
  envelope: Envelope,
): PreparedMessage {
  const problems: Problem[] = []
  if (validation.kind === 'invalid') problems.push(...validation.problems)
  if (!(encoded instanceof Uint8Array)) {
    // A field is named once; and a validator that stumbles over what the codec refuses (a depth of 100,000) has nothing to add.
    if (!problems.some((problem) => problem.path === encoded.path)) problems.push(encoded)
  } else if (validation.kind === 'broken') problems.push(...validation.problems)
  const key = validation.kind === 'valid' ? keyOf(topic, validation.value, problems) : null
  const value = encoded instanceof Uint8Array ? encoded : null
  return wrap(topic.name, key, value, envelope, problems)
}

function keyOf(topic: AnySendableTopic, output: unknown, problems: Problem[]): Uint8Array | null {
  if (topic.key === 'none') return null
  if (typeof topic.key !== 'function') {
    problems.push({
      path: '(key)',
      message: "the topic defines no key; give defineTopic one, or 'none' where order does not matter",
    })
    return null
  }
  try {
    return checkKey(topic.key(output as never), problems)
  } catch (error) {
    problems.push({ path: '(key)', message: `the key function threw ${describeForeignError(error)}` })
    return null
  }
}

function checkKey(key: unknown, problems: Problem[]): Uint8Array | null {
  const bytes = encodeKey(key)
  if (bytes instanceof Uint8Array) return bytes
  problems.push(bytes)
  return null
}

function wrap(
  topic: string,
  key: Uint8Array | null,
  value: Uint8Array | null,
  { id, headers, timestamp, partition, problems: others }: Envelope,
  problems: Problem[],
): PreparedMessage {
  problems.push(...others)
  if (problems.length > 0) return { kind: 'invalid', problems }
  const message = { topic, id, key, value, headers, timestamp }
  return { kind: 'encoded', message: partition === undefined ? message : { ...message, partition } }
}

function contentTypeHeader(codec: Codec): Header {
  let header = contentTypes.get(codec)
  if (header === undefined)
    contentTypes.set(codec, (header = textHeader(MESSAGE_HEADERS.contentType, codec.contentType)))
  return header
}

const contentTypes = new WeakMap<Codec, Header>()

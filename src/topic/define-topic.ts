import type { Problem } from '../errors/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Codec, TypedCodec } from './codec.ts'
import { json } from './json-codec.ts'
import type { InferInput, InferOutput, StandardSchema } from './standard-schema.ts'
import type { KeyOf, SendableTopic, Topic } from './topic.ts'
import { DEAD_LETTER_SUFFIX, topicNameProblems } from './topic-name.ts'

/** A topic whose values a schema describes. */
export interface TopicDefinition<Schema extends StandardSchema> {
  /**
   * 1 to 249 of the characters `a-z A-Z 0-9 . _ -`, so short that `.dlq` can be appended. Names that begin with `__` are refused. Do
   * not have two topics that differ in `.` and `_` only: the broker's metrics mix them up.
   */
  readonly name: string
  /** Any Standard Schema (zod, valibot, arktype, …), synchronous or asynchronous. */
  readonly schema: Schema
  /** @defaultValue `json()` */
  readonly codec?: Codec
}

/** A topic whose codec alone says what its values are. */
export interface SchemalessTopicDefinition<Value> {
  /** As {@link TopicDefinition.name}. */
  readonly name: string
  readonly schema?: undefined
  /** For example `bytes()`. */
  readonly codec: TypedCodec<Value>
}

/** What a topic that is sent to says beside. */
export interface KeyDefinition<Output> {
  /**
   * Computes the key of a message: text or bytes, not empty. Messages of one key keep their order. `'none'` says aloud that order
   * does not matter; it is never the default.
   */
  readonly key: KeyOf<Output> | 'none'
}

/** What a topic that is only read leaves out. */
export interface NoKeyDefinition {
  readonly key?: undefined
}

/**
 * Declares a topic, once for everyone who sends to it or reads it. With a `key` it can be sent to.
 *
 * @throws HOLDFAST_CONFIG_INVALID with every problem.
 */
export function defineTopic<Schema extends StandardSchema>(
  definition: TopicDefinition<Schema> & KeyDefinition<InferOutput<Schema>>,
): SendableTopic<InferInput<Schema>, InferOutput<Schema>>
export function defineTopic<Schema extends StandardSchema>(
  definition: TopicDefinition<Schema> & NoKeyDefinition,
): Topic<InferInput<Schema>, InferOutput<Schema>>
export function defineTopic<Value>(
  definition: SchemalessTopicDefinition<Value> & KeyDefinition<Value>,
): SendableTopic<Value>
export function defineTopic<Value>(definition: SchemalessTopicDefinition<Value> & NoKeyDefinition): Topic<Value>
export function defineTopic(definition: {
  readonly name: string
  readonly schema?: StandardSchema | undefined
  readonly codec?: Codec
  readonly key?: KeyOf<never> | 'none' | undefined
}): Topic {
  const problems = problemsOf(definition)
  if (problems.length > 0) {
    const name = typeof definition?.name === 'string' ? ` "${definition.name.slice(0, 249)}"` : ''
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', `topic${name} cannot be defined`, { problems })
  }
  const { name, schema = anything, codec = json(), key } = definition
  return Object.freeze({ name, schema, codec, ...(key === undefined ? {} : { key: key as KeyOf<unknown> | 'none' }) })
}

function problemsOf(definition: unknown): readonly Problem[] {
  if (typeof definition !== 'object' || definition === null)
    return [{ path: '(definition)', message: 'must be an object' }]
  const { name, schema, codec, key } = definition as Readonly<Record<string, unknown>>
  const suffixes = typeof name === 'string' && name.endsWith(DEAD_LETTER_SUFFIX) ? [] : [DEAD_LETTER_SUFFIX]
  const problems: Problem[] = topicNameProblems(name, suffixes).map((message) => ({ path: 'name', message }))
  const add = (path: string, message: string): void => void problems.push({ path, message })

  if (schema === undefined) {
    if (!isCodec(codec) || (codec as { readonly typed?: unknown }).typed !== true) {
      add('schema', 'is missing; only a codec of a known type, such as bytes(), goes without')
    }
  } else checkSchema(schema, add)
  if (codec !== undefined && !isCodec(codec)) add('codec', 'must have contentType, encode and decode')
  if (key !== undefined && key !== 'none' && typeof key !== 'function') {
    add('key', "must be a function of the value, or 'none' where order does not matter")
  }
  for (const unknown of Object.keys(definition).filter((each) => !KNOWN.has(each))) add(unknown, 'is not an option')
  return problems
}

function checkSchema(schema: unknown, add: (path: string, message: string) => void): void {
  const isThing = (typeof schema === 'object' && schema !== null) || typeof schema === 'function' // arktype's are functions
  const standard: unknown = isThing ? (schema as Readonly<Record<string, unknown>>)['~standard'] : undefined
  if (typeof standard !== 'object' || standard === null) {
    add(
      'schema',
      'must be a Standard Schema: a validator of zod 3.24+, valibot 1+, arktype 2+ or another with "~standard"',
    )
    return
  }
  const { version, validate } = standard as Readonly<Record<string, unknown>>
  if (version !== 1) add('schema', 'must be a Standard Schema of version 1')
  if (typeof validate !== 'function') add('schema', 'has a "~standard" without validate')
}

function isCodec(codec: unknown): boolean {
  if (typeof codec !== 'object' || codec === null) return false
  const { contentType, encode, decode } = codec as Readonly<Record<string, unknown>>
  return typeof contentType === 'string' && typeof encode === 'function' && typeof decode === 'function'
}

const KNOWN: ReadonlySet<string> = new Set(['name', 'schema', 'codec', 'key'])

/** For codecs that say themselves what their values are. */
const anything: StandardSchema = {
  '~standard': { version: 1, vendor: 'holdfast', validate: (value) => ({ value }) },
}

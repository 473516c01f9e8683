import type { Codec } from './codec.ts'
import type { StandardSchema } from './standard-schema.ts'

/** What the key of a record may be made of. */
export type Key = string | Uint8Array

/** Computes the key of a message from its validated value. */
export type KeyOf<Output> = (value: Output) => Key

/**
 * A topic as a service declares it once: its name, what its values look like, how they become bytes, and what their key is.
 *
 * @typeParam Input - what `send` takes. It is validated, and this input is what is encoded.
 * @typeParam Output - what the handler gets: the output of validating what arrived.
 */
export interface Topic<Input = unknown, Output = Input> {
  readonly name: string
  readonly schema: StandardSchema<Input, Output>
  readonly codec: Codec
  /** Absent on a topic that is only read. `'none'` says aloud that order does not matter. */
  readonly key?: KeyOf<Output> | 'none'
}

/** A topic that can be sent to: it has said what its key is. */
export interface SendableTopic<Input = unknown, Output = Input> extends Topic<Input, Output> {
  readonly key: KeyOf<Output> | 'none'
}

/** Any topic, whatever its values are: what code that serves every topic takes. */
export interface AnyTopic extends Omit<Topic, 'key'> {
  readonly key?: KeyOf<never> | 'none'
}

/** Any topic that can be sent to, whatever its values are: what lists of different topics are made of. */
export interface AnySendableTopic extends Omit<Topic, 'key'> {
  readonly key: KeyOf<never> | 'none'
}

/** What `send` takes for a topic. */
export type InputOf<T extends Pick<Topic, 'schema'>> = NonNullable<T['schema']['~standard']['types']>['input']

/** What the handler of a topic gets. */
export type OutputOf<T extends Pick<Topic, 'schema'>> = NonNullable<T['schema']['~standard']['types']>['output']

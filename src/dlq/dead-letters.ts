import type { InboundRecord } from '../record/index.ts'
import type { Codec, StandardSchema, Topic } from '../topic/index.ts'
import { deadLetterTopicName } from '../topic/index.ts'
import type { DeadLetter } from './read-dead-letter.ts'
import { readDeadLetter } from './read-dead-letter.ts'

/** A record of a dead letter topic: a dead letter of ours, or something else that stands there. */
export type DeadLetterEntry =
  | ({ readonly kind: 'dead-letter' } & DeadLetter)
  | { readonly kind: 'foreign'; readonly key: Uint8Array | null; readonly value: Uint8Array | null }

/** A dead letter topic to subscribe to. Made by {@link deadLetters}. */
export interface DeadLetterTopic extends Topic<never, DeadLetterEntry> {
  /** A dead letter is its headers as much as its value, so the whole record is read. Never throws. */
  readonly readRecord: (record: InboundRecord) => DeadLetterEntry
}

/** Which dead letter topic is read. */
export interface DeadLettersOptions {
  /** @defaultValue `<topic>.dlq` */
  readonly deadLetterTopic?: string
}

/**
 * The dead letters of a topic, to be watched like any topic: parked tombstones come to the handler too, and nothing there can fail
 * to decode. A consumer parks nothing from it (that would loop): when its handler has failed for good, the partition waits.
 *
 * @example
 * ```ts
 * monitor.on(deadLetters(orderEvents), ({ value: letter }) => {
 *   if (letter.kind === 'dead-letter') console.log(letter.origin, letter.reason, letter.error?.message)
 * })
 * ```
 */
export function deadLetters<Input, Output>(
  topic: Topic<Input, Output> | string,
  options: DeadLettersOptions = {},
): DeadLetterTopic {
  const name = typeof topic === 'string' ? topic : topic.name
  return { name: options.deadLetterTopic ?? deadLetterTopicName(name), schema: anything, codec: untouched, readRecord }
}

/** Is it one that {@link deadLetters} made? */
export function isDeadLetterTopic(topic: { readonly name: string }): topic is DeadLetterTopic {
  return 'readRecord' in topic && typeof topic.readRecord === 'function'
}

function readRecord(record: InboundRecord): DeadLetterEntry {
  const letter = readDeadLetter(record)
  return letter === null
    ? { kind: 'foreign', key: record.key, value: record.value }
    : { kind: 'dead-letter', ...letter }
}

const refuse = (): never => {
  throw new Error('a dead letter topic is read as whole records and never sent to')
}
const untouched: Codec<never> = { contentType: 'application/octet-stream', encode: refuse, decode: refuse }
const anything: StandardSchema<never, DeadLetterEntry> = {
  '~standard': { version: 1, vendor: 'holdfast', validate: refuse },
}

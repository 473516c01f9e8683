import type { SendableTopic, TypedCodec } from 'holdfast'
import { defineTopic, json } from 'holdfast'

/** What the rows of all sides hold. */
export interface SmallEvent {
  readonly key: string
  readonly text: string
}

/** As large as the value of a row is, in bytes of JSON. */
export const VALUE_BYTES = 200

const codec = { ...json(), typed: true } as TypedCodec<SmallEvent>

/** An event of {@link VALUE_BYTES}, or of more. */
export function smallEvent(key: string, valueBytes: number = VALUE_BYTES): SmallEvent {
  return { key, text: 'x'.repeat(valueBytes - JSON.stringify({ key, text: '' }).length) }
}

/** Holdfast's declaration of a topic of them. */
export function smallEvents(name: string): SendableTopic<SmallEvent, SmallEvent> {
  return defineTopic({ name, codec, key: (event) => event.key })
}

import type { Header, Headers } from '../record/index.ts'
import type { SendDescription } from './telemetry.ts'

/** A message that is about to leave, as its span has to know it. */
export interface DescribedMessage {
  readonly topic: string
  readonly id: string
  readonly key: Uint8Array | null
  /** Null is a tombstone. */
  readonly value: Uint8Array | null
}

/** What a span of a message is about. */
export function describeMessage({ topic, id, key, value }: DescribedMessage): SendDescription {
  return { topic, messageId: id, tombstone: value === null, ...keyText(key) }
}

/** A message's headers and the trace headers that the caller has not set: a `tracestate` of ours must not stand beside a `traceparent` of theirs. */
export function withTraceHeaders(theirs: Headers, ours: readonly Header[]): Headers {
  if (ours.length === 0) return theirs
  const given = new Set(theirs.map(([name]) => name))
  const added = ours.filter(([name]) => !given.has(name) && !(given.has('traceparent') && name === 'tracestate'))
  return added.length === 0 ? theirs : [...theirs, ...added]
}

function keyText(key: Uint8Array | null): { readonly key?: string } {
  if (key === null) return {}
  try {
    return { key: utf8.decode(key) }
  } catch {
    return {} // bytes that are no text have no canonical form
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

import type { Header, Headers } from '../record/index.ts'
import { textHeader, textOf } from '../record/index.ts'

/** A W3C trace context as it travels in headers: checked for form, not interpreted. */
export interface TraceContext {
  readonly traceparent: string
  /** Vendors' additions; means nothing without its `traceparent`. */
  readonly tracestate?: string
}

/** W3C Trace Context level 1: version `00` is exactly four fields, later versions may add more after a dash. */
const TRACEPARENT =
  /^(?:00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}|(?!00|ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]*)?)$/
const TRACESTATE = /^[\x20-\x7e]+$/

/** Longer is refused: a traceparent of a later version is bounded by us, a tracestate by W3C (512 characters is what all must carry). */
const MAX_TRACEPARENT_CHARACTERS = 256
const MAX_TRACESTATE_CHARACTERS = 512

/** Baggage, the largest of the W3C headers, may have 8,192 bytes; nothing longer is taken for a context. */
const MAX_VALUE_BYTES = 8_192

/**
 * The last value of a header as text, its name compared without regard to case as other instrumentations do; `undefined` when
 * it is absent, null, not UTF-8, or longer than 8,192 bytes. Never throws.
 */
export function lastHeaderText(headers: Headers, name: string): string | undefined {
  for (let i = headers.length - 1; i >= 0; i--) {
    const [candidate, value] = headers[i]!
    if (!isNamed(candidate, name)) continue
    return value === null || value.length > MAX_VALUE_BYTES ? undefined : textOf(value)
  }
  return undefined
}

/** Is there a header of this name, whatever its case and value? */
export function hasHeader(headers: Headers, name: string): boolean {
  return headers.some(([candidate]) => isNamed(candidate, name))
}

/** The trace context that a record carries; `undefined` when there is none or it is malformed. A malformed tracestate is left out. */
export function readTraceContext(headers: Headers): TraceContext | undefined {
  const traceparent = lastHeaderText(headers, 'traceparent')
  if (traceparent === undefined) return undefined
  if (traceparent.length > MAX_TRACEPARENT_CHARACTERS || !TRACEPARENT.test(traceparent)) return undefined
  const tracestate = lastHeaderText(headers, 'tracestate')
  if (tracestate === undefined || tracestate.length > MAX_TRACESTATE_CHARACTERS || !TRACESTATE.test(tracestate)) {
    return { traceparent }
  }
  return { traceparent, tracestate }
}

/** The context as headers, as it came. */
export function traceContextHeaders(context: TraceContext): readonly Header[] {
  const parent = textHeader('traceparent', context.traceparent)
  return context.tracestate === undefined ? [parent] : [parent, textHeader('tracestate', context.tracestate)]
}

function isNamed(candidate: string, name: string): boolean {
  return candidate === name || (candidate.length === name.length && candidate.toLowerCase() === name)
}

import type { TextMapGetter, TextMapSetter } from '@opentelemetry/api'
import type { Header, Headers } from '../../record/index.ts'
import { textHeader } from '../../record/index.ts'
import { hasHeader, lastHeaderText } from '../propagation.ts'

/** Lets a propagator read the headers of a record. Of a repeated name the last value counts. */
export const headersGetter: TextMapGetter<Headers> = {
  keys: (headers) => [...new Set(headers.map(([name]) => name.toLowerCase()))],
  get: (headers, name) => lastHeaderText(headers, name.toLowerCase()),
}

/** Headers to be added to those that a record has already. */
export interface HeadersToAdd {
  readonly present: Headers
  readonly added: Header[]
}

/**
 * Lets a propagator write. A name that the record has already is left as its owner wrote it, so that no name appears twice; what
 * the propagator itself wrote before is replaced.
 */
export const headersSetter: TextMapSetter<HeadersToAdd> = {
  set({ present, added }, name, value) {
    const lowered = name.toLowerCase()
    if (hasHeader(present, lowered)) return
    const at = added.findIndex(([each]) => each.toLowerCase() === lowered)
    if (at === -1) added.push(textHeader(name, value))
    else added[at] = textHeader(name, value)
  },
}

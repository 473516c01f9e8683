import { AsyncLocalStorage } from 'node:async_hooks'
import type { Headers } from '../../record/index.ts'
import { hasHeader, readTraceContext, traceContextHeaders } from '../propagation.ts'
import type { ProcessObservation, SendObservation } from '../telemetry.ts'
import { nothingProcessed, nothingSent } from '../telemetry.ts'

/**
 * Hands the trace context of a record on to what its handler sends, unread, for a process without OpenTelemetry: one such service
 * in the middle does not cut a trace in two. A parked record needs nothing: it carries its context in its own headers.
 */
export interface Passthrough {
  processing(headers: Headers): ProcessObservation
  sending(headers: Headers): SendObservation
}

/** A passthrough of its own; nothing is shared with another one. */
export function createPassthrough(): Passthrough {
  const current = new AsyncLocalStorage<Headers | undefined>()

  return {
    processing(headers) {
      const context = readTraceContext(headers)
      if (context === undefined && current.getStore() === undefined) return nothingProcessed // the first `run` makes every promise dearer
      const handedOn = context && traceContextHeaders(context)
      return { ...nothingProcessed, run: (call) => current.run(handedOn, call) }
    },
    sending(headers) {
      const handedOn = current.getStore()
      if (handedOn === undefined || hasHeader(headers, 'traceparent')) return nothingSent
      return { ...nothingSent, headers: handedOn.filter(([name]) => !hasHeader(headers, name)) }
    },
  }
}

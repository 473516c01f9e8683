import { AsyncLocalStorage } from 'node:async_hooks'
import type { Headers } from '../../record/index.ts'
import { hasHeader, readTraceContext, traceContextHeaders } from '../propagation.ts'
import type { CreateObservation, ProcessObservation, SendObservation } from '../telemetry.ts'
import { nothingCreated, nothingProcessed, nothingSent } from '../telemetry.ts'

/**
 * Hands the trace context of a record on to what its handler sends, unread, for a process without OpenTelemetry: one such service
 * in the middle does not cut a trace in two. A parked record needs nothing: it carries its context in its own headers.
 */
export interface Passthrough {
  processing(headers: Headers): ProcessObservation
  sending(headers: Headers): SendObservation
  creating(headers: Headers): CreateObservation
}

/** A passthrough of its own; nothing is shared with another one. */
export function createPassthrough(): Passthrough {
  const current = new AsyncLocalStorage<Headers | undefined>()

  const toHandOn = (headers: Headers): Headers => {
    const handedOn = current.getStore()
    if (handedOn === undefined || hasHeader(headers, 'traceparent')) return []
    return handedOn.filter(([name]) => !hasHeader(headers, name))
  }

  return {
    processing(headers) {
      const context = readTraceContext(headers)
      if (context === undefined && current.getStore() === undefined) return nothingProcessed // the first `run` makes every promise dearer
      const handedOn = context && traceContextHeaders(context)
      return { ...nothingProcessed, run: (call) => current.run(handedOn, call) }
    },
    sending(headers) {
      const handedOn = toHandOn(headers)
      return handedOn.length === 0 ? nothingSent : { ...nothingSent, headers: handedOn }
    },
    creating(headers) {
      const handedOn = toHandOn(headers)
      return handedOn.length === 0 ? nothingCreated : { ...nothingCreated, headers: handedOn }
    },
  }
}

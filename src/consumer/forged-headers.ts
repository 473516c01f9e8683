import type { Headers, InboundRecord } from '../record/index.ts'
import { isOwnTopicHeader, positionOf, withoutHeaders } from '../record/index.ts'
import type { Pipeline } from './pipeline.ts'
import type { Subscription } from './subscription.ts'

/** The headers a handler may see: on a topic that others write, what only our own topics may carry is a forgery. */
export function handlerHeaders({ headers }: InboundRecord, { trusted }: Subscription): Headers {
  if (trusted || headers.length === 0 || !headers.some(([name]) => isOwnTopicHeader(name))) return headers
  return withoutHeaders(headers, isOwnTopicHeader)
}

/** Tells of forged headers. They are looked for only when somebody listens: most records are never asked for their headers. */
export function reportForgedHeaders(record: InboundRecord, { events, subscription }: Pipeline): void {
  if (!events.heard('forged-headers') || subscription.trusted) return
  const count = record.headers.filter(([name]) => isOwnTopicHeader(name)).length
  if (count > 0) events.emit('forged-headers', { position: positionOf(record), count })
}

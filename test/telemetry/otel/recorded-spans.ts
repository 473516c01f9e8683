import { context, propagation, trace } from '@opentelemetry/api'
import { node, tracing } from '@opentelemetry/sdk-node'
import type { InboundRecord } from '../../../src/record/index.ts'

/** Registers an SDK whose spans are kept in memory: tracer, W3C propagators, and a context that follows promises. */
export function registerSdk(): { finished(): tracing.ReadableSpan[]; named(name: string): tracing.ReadableSpan } {
  const exporter = new tracing.InMemorySpanExporter()
  new node.NodeTracerProvider({ spanProcessors: [new tracing.SimpleSpanProcessor(exporter)] }).register()
  return {
    finished: () => exporter.getFinishedSpans(),
    named(name) {
      const found = exporter.getFinishedSpans().filter((span) => span.name === name)
      if (found.length !== 1) throw new Error(`${found.length} spans are named ${name}`)
      return found[0]!
    },
  }
}

/** Takes every registration back: the process is without an SDK again. */
export function unregisterSdk(): void {
  trace.disable()
  context.disable()
  propagation.disable()
}

export function inbound(different: Partial<InboundRecord> = {}): InboundRecord {
  return {
    topic: 'orders',
    partition: 3,
    offset: 4711n,
    key: Buffer.from('order-1'),
    value: Buffer.from('{}'),
    headers: [],
    timestamp: 1_700_000_000_000n,
    ...different,
  }
}

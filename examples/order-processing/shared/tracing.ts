import { appendFileSync } from 'node:fs'
import { NodeSDK, core, tracing } from '@opentelemetry/sdk-node'

/**
 * Starts OpenTelemetry when there is somewhere to send spans to: `TRACE_FILE` (one JSON object a line) or
 * `OTEL_EXPORTER_OTLP_ENDPOINT`. Without either Holdfast still hands the trace context of each message on.
 *
 * @returns what to call at the end, so that the last spans are not lost.
 */
export function startTracing(service: string): () => Promise<void> {
  const { TRACE_FILE, OTEL_EXPORTER_OTLP_ENDPOINT } = process.env
  if (!TRACE_FILE && !OTEL_EXPORTER_OTLP_ENDPOINT) return async () => undefined
  const sdk = new NodeSDK({
    serviceName: service,
    autoDetectResources: false,
    metricReaders: [],
    logRecordProcessors: [],
    // Written span by span, so that a killed process leaves what it had finished.
    ...(TRACE_FILE ? { spanProcessors: [new tracing.SimpleSpanProcessor(fileExporter(TRACE_FILE, service))] } : {}),
  })
  sdk.start()
  return () => sdk.shutdown()
}

function fileExporter(file: string, service: string): tracing.SpanExporter {
  return {
    export(spans, done) {
      const lines = spans.map((span) =>
        JSON.stringify({
          service,
          traceId: span.spanContext().traceId,
          spanId: span.spanContext().spanId,
          parentSpanId: span.parentSpanContext?.spanId,
          name: span.name,
          startMs: core.hrTimeToMilliseconds(span.startTime),
          durationMs: core.hrTimeToMilliseconds(span.duration),
          attributes: span.attributes,
          events: span.events.map(({ name, attributes }) => ({ name, attributes })),
        }),
      )
      appendFileSync(file, `${lines.join('\n')}\n`)
      done({ code: core.ExportResultCode.SUCCESS })
    },
    shutdown: async () => undefined,
  }
}

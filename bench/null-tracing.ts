import { NodeSDK, core, tracing } from '@opentelemetry/sdk-node'

/** OpenTelemetry's SDK as services start it, every span recorded and batched; what would go over the network is dropped. */
export function startNullTracing(): void {
  const exporter: tracing.SpanExporter = {
    export: (_, done) => done({ code: core.ExportResultCode.SUCCESS }),
    shutdown: async () => undefined,
  }
  new NodeSDK({
    serviceName: 'bench',
    autoDetectResources: false,
    metricReaders: [],
    logRecordProcessors: [],
    spanProcessors: [new tracing.BatchSpanProcessor(exporter)],
  }).start()
}

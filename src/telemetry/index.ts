export type { TraceContext } from './propagation.ts'
export { readTraceContext, traceContextHeaders } from './propagation.ts'
export { describeMessage, withTraceHeaders } from './message-description.ts'
export type {
  CreateObservation,
  ProcessDescription,
  ProcessObservation,
  RelayMeasurements,
  SendDescription,
  SendObservation,
  Telemetry,
} from './telemetry.ts'
export { safeTelemetry } from './safe-telemetry.ts'
export { noTelemetry, nothingProcessed } from './telemetry.ts'
export type { OpenTelemetryOptions, Semconv } from './otel/index.ts'
export { openTelemetry, semconvFrom } from './otel/index.ts'

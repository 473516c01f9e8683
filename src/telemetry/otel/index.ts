export type { OpenTelemetryOptions } from './open-telemetry.ts'
export { openTelemetry } from './open-telemetry.ts'
export type { Semconv } from './semconv.ts'
export { semconvFrom } from './semconv.ts'

export type {
  ProcessDescription,
  ProcessObservation,
  SendDescription,
  SendObservation,
  Telemetry,
} from './telemetry.ts'
export { noTelemetry } from './telemetry.ts'

export type { DedupeStoreConformanceOptions, DedupeStoreWorld } from './dedupe-store-conformance.ts'
export { dedupeStoreConformance } from './dedupe-store-conformance.ts'
export { driverConformance } from './driver-conformance.ts'
export type {
  ClusterFaults,
  ConformanceOutcome,
  ConformanceResult,
  DriverConformanceOptions,
  DriverWorld,
  TestableFaults,
  TestRunner,
} from './harness.ts'

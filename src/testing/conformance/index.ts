export type { DedupeStoreConformanceOptions } from './dedupe-store-conformance.ts'
export type { DedupeStoreWorld } from './dedupe-store/index.ts'
export { dedupeStoreConformance } from './dedupe-store-conformance.ts'
export type { DistributedLockConformanceOptions } from './distributed-lock-conformance.ts'
export type { DistributedLockWorld } from './distributed-lock/index.ts'
export { distributedLockConformance } from './distributed-lock-conformance.ts'
export { driverConformance } from './driver-conformance.ts'
export type { InboxConformanceOptions } from './inbox-conformance.ts'
export type { InboxWorld } from './inbox/index.ts'
export { inboxConformance } from './inbox-conformance.ts'
export type {
  ClusterFaults,
  ConformanceOutcome,
  ConformanceResult,
  DriverConformanceOptions,
  DriverWorld,
  TestableFaults,
  TestRunner,
} from './harness.ts'
export type { OutboxStoreConformanceOptions } from './outbox-store-conformance.ts'
export type { OutboxStoreWorld } from './outbox-store/index.ts'
export { outboxStoreConformance } from './outbox-store-conformance.ts'

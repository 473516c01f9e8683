export type {
  ClusterFaults,
  ConformanceOutcome,
  ConformanceResult,
  DedupeStoreConformanceOptions,
  DedupeStoreWorld,
  DistributedLockConformanceOptions,
  DistributedLockWorld,
  DriverConformanceOptions,
  DriverWorld,
  InboxConformanceOptions,
  InboxWorld,
  OutboxStoreConformanceOptions,
  OutboxStoreWorld,
  TestableFaults,
  TestRunner,
} from './conformance/index.ts'
export {
  dedupeStoreConformance,
  distributedLockConformance,
  driverConformance,
  inboxConformance,
  outboxStoreConformance,
} from './conformance/index.ts'
export type { Failpoints, Hold } from './failpoints.ts'
export { failpoints } from './failpoints.ts'
export { seededRandom } from './seeded-random.ts'
export type { TimeBound, TimeControls, VirtualClock, VirtualClockOptions } from './virtual-clock.ts'
export { virtualClock } from './virtual-clock.ts'
export type { VirtualRuntime, VirtualRuntimeOptions } from './virtual-runtime.ts'
export { virtualRuntime } from './virtual-runtime.ts'
export type {
  ClusterOrDriver,
  CommittedOffset,
  InMemoryCluster,
  InMemoryClusterOptions,
  InMemoryDriver,
  InMemoryDriverOptions,
  MemberAssignment,
  PlannedFailure,
  PlannedProduceFailure,
  RebalanceProtocol,
} from './in-memory/index.ts'
export { createInMemoryCluster, inMemoryDriver } from './in-memory/index.ts'
export type {
  HeldSnapshot,
  InMemoryBucket,
  InMemoryDatabaseError,
  InMemoryOutbox,
  InMemoryOutboxCall,
  InMemoryOutboxClient,
  InMemoryOutboxFaults,
  InMemoryOutboxOptions,
  InMemoryOutboxRow,
  InMemoryTransaction,
} from './in-memory-outbox/index.ts'
export { inMemoryOutbox } from './in-memory-outbox/index.ts'
export type {
  GroupFault,
  GroupOutcome,
  Scenario,
  ScenarioRun,
  SimProcess,
  SimulatedGroup,
  SimulatedGroupOptions,
  SimulatedProcess,
  SimulateOptions,
  Simulation,
  SimulationBounds,
  SimulationProgress,
  SimulationReport,
  Violation,
} from './simulation/index.ts'
export { simulate, simulatedGroup, SimulationError } from './simulation/index.ts'
export type { DeadLetterAssertionOptions, DeadLetterMatch } from './dead-letter-assertions.ts'
export { deadLettersOf, expectDeadLetter, expectNoDeadLetters } from './dead-letter-assertions.ts'
export type {
  FinishedRecord,
  RecordMatch,
  WaitOptions,
  WaitUntilHandledOptions,
  WaitUntilIdleOptions,
} from './waiting/index.ts'
export { waitUntilHandled, waitUntilIdle } from './waiting/index.ts'

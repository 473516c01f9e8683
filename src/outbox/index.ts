export type { Enqueued, Outbox, OutboxOptions } from './enqueue.ts'
export { createOutbox } from './enqueue.ts'
export type { KeyPlace } from './key-place.ts'
export { keyPlace } from './key-place.ts'
export type { OperationResult, OutboxOperations, ParkedRow, ParkedSelection } from './outbox-operations.ts'
export type { OutboxMessage, OutboxStore } from './outbox-store.ts'
export type {
  BucketLease,
  FetchLimits,
  LeaseRound,
  MarkFence,
  OutboxStatistics,
  ParkedKey,
  ParkReason,
  RelayStore,
  RowPlace,
  ScanRange,
  SentRow,
  SetAside,
  WaitingRow,
  Writers,
} from './relay-store.ts'
export { createRelay } from './relay/create-relay.ts'
export type { Relay, RelayEvents, RelayHealth, RelayOptions } from './relay/relay.ts'
export { BUCKETS } from './relay-store.ts'

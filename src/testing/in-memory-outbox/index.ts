export type { InMemoryBucket } from './bucket-leases.ts'
export type { InMemoryDatabaseError } from './database-error.ts'
export type {
  HeldSnapshot,
  InMemoryOutbox,
  InMemoryOutboxClient,
  InMemoryOutboxOptions,
  InMemoryOutboxRow,
} from './in-memory-outbox.ts'
export { inMemoryOutbox } from './in-memory-outbox.ts'
export type { InMemoryOutboxCall, InMemoryOutboxFaults } from './outbox-call.ts'
export type { InMemoryTransaction } from './transactions.ts'

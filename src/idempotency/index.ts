export type { DedupeIdParts } from './dedupe-id.ts'
export { dedupeId, dedupeIds } from './dedupe-id.ts'
export { idHash } from './id-hash.ts'
export type { BeginOptions, BeginResult, DedupeOutcome, DedupeStore, LeaseToken } from './dedupe-store.ts'
export type {
  AcquireOptions,
  AcquireResult,
  DistributedLock,
  HeldLock,
  LockBusy,
  WithLockResult,
} from './distributed-lock.ts'
export type { Inbox, InboxBegin, InboxCall, InboxDone, InboxEnd, InboxMessage, InboxResult } from './inbox.ts'
export type { MemoryDedupeStoreOptions } from './memory-dedupe-store.ts'
export { memoryDedupeStore } from './memory-dedupe-store.ts'

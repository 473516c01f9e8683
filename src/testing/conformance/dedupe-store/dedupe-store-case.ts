import assert from 'node:assert/strict'
import type { ErrorCode } from '../../../errors/index.ts'
import type { BeginResult, DedupeStore, LeaseToken } from '../../../idempotency/index.ts'
import { dedupeId } from '../../../idempotency/index.ts'
import { assertRejects } from '../assertions.ts'

/** What one test of the suite works with. */
export interface DedupeStoreWorld {
  readonly store: DedupeStore
  /** The same store as another process sees it; absent for stores of one process. */
  readonly otherStore?: DedupeStore
  /** Lets so much time pass for the store: a virtual clock moves, a real one is waited for. */
  readonly tick: (ms: number) => Promise<void>
  /** The wall clock of this process. */
  readonly now: () => number
  /** Makes the wall clock of this process jump, as a time server does, and no time pass. @defaultValue a real clock: it stays as it is */
  readonly jumpWallClock?: (byMs: number) => void
  close(): Promise<void>
}

/** One promise of the port, and how it is held. */
export interface DedupeStoreCase {
  readonly promise: string
  readonly hold: (world: DedupeStoreWorld, leaseMs: number, ttlMs: number) => Promise<void>
}

export const id: string = dedupeId({ groupId: 'inventory', handler: 'reserve', messageId: 'order-1' })
export const other: string = dedupeId({ groupId: 'inventory', handler: 'reserve', messageId: 'order-2' })

/** The token of a begin that has started this attempt. */
export async function started(beginning: Promise<BeginResult> | BeginResult, attempt: number): Promise<LeaseToken> {
  const result = await beginning
  assert.equal(result.kind, 'started')
  assert.ok(result.kind === 'started')
  assert.equal(result.attempt, attempt)
  return result.token
}

/** Holds a store to its refusal, whether it throws at once or rejects. */
export async function assertRefused(call: () => unknown, code: ErrorCode): Promise<void> {
  await assertRejects(new Promise((resolve) => resolve(call())), code)
}

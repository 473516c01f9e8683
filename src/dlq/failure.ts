import type { ErrorDescription } from '../errors/index.ts'

/**
 * Why a record is parked: its handler failed for good or said so, it could not be decoded, or it did not fit its schema.
 */
export type ParkReason = 'handler-failed' | 'parked-by-handler' | 'decode-failed' | 'schema-invalid'

/** What a dead letter tells about the failure. */
export interface Failure {
  readonly reason: ParkReason
  /** Calls of the handler; 0 when it was never called. */
  readonly attempts: number
  /** Milliseconds since the epoch. */
  readonly firstFailedAt: number
  readonly lastFailedAt: number
  /** What was thrown, bounded; or, for `parked-by-handler`, the reason the handler gave, as its message. */
  readonly error: ErrorDescription
}

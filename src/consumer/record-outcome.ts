/** How a record ended. Each of these lets its offset move. */
export type RecordOutcome =
  | { readonly kind: 'handled'; readonly attempts: number }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'parked'; readonly deadLetterTopic: string; readonly reason: string; readonly errorType: string }
  | { readonly kind: 'skipped'; readonly reason: string }

/**
 * It has not ended: its offset does not move, and it is dispatched again, here or by whoever gets the partition.
 *
 * - `stopping`: the partition goes, or the consumer closes, and it would have had to wait or begin.
 * - `epoch-lost`: the partition is gone; what was still to be done for it was refused.
 * - `lease-lost`: somebody else began the same message meanwhile; the store will say who was first.
 * - `lets-others-go`: something before it in its batch waits for a message that somebody else holds, and it has given its own lease back.
 * - `operator`: it failed for good, there is no dead letter topic, and somebody has called `resume`.
 * - `stop-rule`: an error rule has ended the consumer at this record.
 */
export interface Unfinished {
  readonly kind: 'unfinished'
  readonly because: 'stopping' | 'epoch-lost' | 'lease-lost' | 'lets-others-go' | 'operator' | 'stop-rule'
}

/** Makes an {@link Unfinished}. */
export function unfinished(because: Unfinished['because']): Unfinished {
  return { kind: 'unfinished', because }
}

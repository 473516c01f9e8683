import type { Pipeline } from './pipeline.ts'

/**
 * Waits until the group has confirmed the membership, where that is overdue, or the epoch has stopped; undefined where nothing is to be waited
 * for. Stands before whatever must not be done for a partition that may be somebody else's by now.
 */
export function whenConfirmed(pipeline: Pick<Pipeline, 'isSuspect' | 'confirmMembership'>): Promise<void> | undefined {
  return pipeline.isSuspect() ? pipeline.confirmMembership() : undefined
}

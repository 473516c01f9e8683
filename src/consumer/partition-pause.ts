import type { HoldfastError } from '../errors/index.ts'
import type { RetryPolicy, RetryResult } from '../retry/index.ts'
import { retry } from '../retry/index.ts'
import type { Pipeline } from './pipeline.ts'

/** How long to leave something alone that is out: 0.5 s, doubling, at most 30 s. Only a success ends it. */
export const OUTAGE: RetryPolicy = { maxAttempts: 1, initialDelayMs: 500, factor: 2, maxDelayMs: 30_000, jitter: 0.2 }

type Pausable = Pick<Pipeline, 'epoch' | 'events' | 'logger' | 'runtime'>

/**
 * Does a step that depends on something outside until it succeeds. Meanwhile the partition is paused, health says why, and nothing
 * is dropped; it resumes by itself. Ends early when the epoch stops, or with an error that `isFinal` recognises.
 */
export async function insist<T>(
  pipeline: Pausable,
  step: () => Promise<T>,
  describe: (thrown: unknown) => string,
  isFinal: (thrown: unknown) => thrown is HoldfastError = never,
): Promise<RetryResult<T>> {
  const result = await retry(step, {
    policy: OUTAGE,
    signal: pipeline.epoch.stopSignal,
    runtime: pipeline.runtime,
    rule: ({ thrown }) => (isFinal(thrown) ? { kind: 'give-up' } : { kind: 'wait' }),
    onWait: ({ thrown }) => pausePartition(pipeline, describe(thrown)),
  })
  if (pipeline.epoch.pause !== null) resumePartition(pipeline)
  return result
}

/** Says that the partition waits for something that needs attention. */
export function pausePartition({ epoch, events, logger }: Pausable, reason: string): void {
  const before = epoch.pause
  if (before?.reason === reason && before.unhealthy) return
  epoch.setPause({ reason, unhealthy: true })
  logger.warn({ partition: epoch.name, reason }, 'a partition is paused')
  if (before?.unhealthy) return // still the same pause, for another reason
  events.emit('paused', { partition: { topic: epoch.topic, partition: epoch.partition }, reason })
}

/** Says that it goes on. */
export function resumePartition({ epoch, events, logger }: Pausable): void {
  const before = epoch.pause
  epoch.setPause(null)
  if (!before?.unhealthy) return
  logger.info({ partition: epoch.name }, 'a partition goes on')
  events.emit('resumed', { partition: { topic: epoch.topic, partition: epoch.partition } })
}

function never(_thrown: unknown): _thrown is HoldfastError {
  return false
}

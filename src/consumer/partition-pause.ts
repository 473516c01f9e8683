import type { RetryPolicy, RetryResult } from '../retry/index.ts'
import { retry } from '../retry/index.ts'
import { isPromiseLike } from '../topic/index.ts'
import type { Delivery } from './delivery.ts'
import type { Epoch, Wait } from './epoch.ts'
import type { Pipeline } from './pipeline.ts'

/** How long to leave something alone that is out: 0.5 s, doubling, at most 30 s. Only a success ends it. */
export const OUTAGE: RetryPolicy = { maxAttempts: 1, initialDelayMs: 500, factor: 2, maxDelayMs: 30_000, jitter: 0.2 }

type Pausable = Pick<Pipeline, 'epoch' | 'events' | 'logger' | 'runtime' | 'dispatcher' | 'subscription'>

/**
 * Does a step that depends on something outside until it succeeds. Meanwhile the partition is paused, health says why, and nothing
 * is dropped; it resumes by itself. Ends early when the epoch stops, or with an error that `isFinal` recognises.
 *
 * Nearly all steps succeed the first time, and some at once: nothing is set up for those, and nothing awaited.
 */
export function insist<T>(
  delivery: Delivery,
  pipeline: Pausable,
  step: () => T | PromiseLike<T>,
  describe: (thrown: unknown) => string,
  isFinal?: (thrown: unknown) => boolean,
): RetryResult<T> | Promise<RetryResult<T>> {
  try {
    const value = step()
    return isPromiseLike(value) ? insistLater(value, delivery, pipeline, step, describe, isFinal) : done(value)
  } catch (thrown) {
    return insistAgain(thrown, delivery, pipeline, step, describe, isFinal)
  }
}

async function insistLater<T>(
  first: PromiseLike<T>,
  ...[delivery, pipeline, step, describe, isFinal]: Parameters<typeof insist<T>>
): Promise<RetryResult<T>> {
  try {
    return done(await first)
  } catch (thrown) {
    return insistAgain(thrown, delivery, pipeline, step, describe, isFinal)
  }
}

function done<T>(value: T): RetryResult<T> {
  return { kind: 'succeeded', value, attempts: 1 }
}

/** What follows a first failure. */
async function insistAgain<T>(
  first: unknown,
  ...[delivery, pipeline, step, describe, isFinal = never]: Parameters<typeof insist<T>>
): Promise<RetryResult<T>> {
  const stop = pipeline.epoch.ownStop()
  const result = await retry(async () => step(), {
    policy: OUTAGE,
    firstFailure: { thrown: first },
    signal: stop.signal,
    runtime: pipeline.runtime,
    rule: ({ thrown }) => (isFinal(thrown) ? { kind: 'give-up' } : { kind: 'wait' }),
    onWait: ({ thrown }) => pausePartition(delivery, pipeline, describe(thrown)),
  })
  stop.forget()
  if (delivery.wait !== null) goOn(delivery, pipeline)
  return result
}

/** The record waits, and what is behind it in its lane; it holds no place meanwhile. */
export function waitInLane(delivery: Delivery, pipeline: Pausable, wait: Omit<Wait, 'gates'>): void {
  setWait(delivery, pipeline, { ...wait, gates: false })
}

/** The record waits for something that needs attention, and with it the whole partition: nothing further of it begins. */
export function pausePartition(delivery: Delivery, pipeline: Pausable, reason: string): void {
  const { epoch, events, logger } = pipeline
  if (delivery.wait?.reason === reason && delivery.wait.gates) {
    leavePlace(delivery, pipeline) // taken for one more attempt, in vain
    return
  }
  const wasGated = epoch.gated
  setWait(delivery, pipeline, { reason, unhealthy: true, gates: true })
  if (wasGated) return // still the same pause, for one more reason
  logger.warn({ partition: epoch.name, reason }, 'a partition is paused')
  events.emit('paused', { partition: { topic: epoch.topic, partition: epoch.partition }, reason })
}

/** It waits no more. The place that it gave up it has to ask for again. */
export function goOn(delivery: Delivery, pipeline: Pausable): void {
  const { wait } = delivery
  delivery.wait = null
  if (wait !== null) endWait(wait, pipeline)
}

function setWait(delivery: Delivery, pipeline: Pausable, wait: Wait): void {
  const { epoch } = pipeline
  const before = delivery.wait
  epoch.addWait(wait) // before the other ends, or the partition would go on for a moment
  delivery.wait = wait
  if (before !== null) endWait(before, pipeline)
  leavePlace(delivery, pipeline)
}

/** Who waits keeps no place from others, nor a batch from being handled that is before it. */
function leavePlace(delivery: Delivery, { dispatcher, subscription }: Pausable): void {
  delivery.batch?.waits(delivery)
  if (!delivery.hasPlace) return
  delivery.hasPlace = false
  dispatcher.leave(subscription.bound)
}

function endWait(wait: Wait, { epoch, events, logger }: Pausable): void {
  epoch.removeWait(wait)
  if (!wait.gates || epoch.gated || epoch.dead) return // nothing goes on in a dead epoch: the partition is gone
  logger.info({ partition: epoch.name }, 'a partition goes on')
  events.emit('resumed', { partition: { topic: epoch.topic, partition: epoch.partition } })
}

/** Makes a partition wait for something that is not one of its records; the function that it returns ends that. */
export function holdPartition(epoch: Epoch, reason: string): () => void {
  const wait: Wait = { reason, unhealthy: true, gates: true }
  epoch.addWait(wait)
  return () => epoch.removeWait(wait)
}

function never(): boolean {
  return false
}

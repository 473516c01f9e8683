import { describeError, HoldfastError } from '../errors/index.ts'
import type { BeginResult, DedupeOutcome } from '../idempotency/index.ts'
import { dedupeId } from '../idempotency/index.ts'
import type { Lease } from './lease-keeper.ts'
import { insist } from './partition-pause.ts'
import type { Delivery, Pipeline } from './pipeline.ts'
import { ownIdOf } from './read-record.ts'
import type { Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'
import { storeCall } from './store-call.ts'

/** The right to work on a message. */
export interface Claim {
  /** The number of the first call of the handler: more than 1 when the store knows of earlier beginnings that came to no end. */
  readonly attempt: number
  /** Null without a dedupe store: nobody is kept from anything. */
  readonly lease: Lease | null
  /** Attempts that have come to nothing so far: what the store is told when the message is given back. */
  failedAttempts: number
}

/** Somebody has handled or parked the message before. */
export interface AlreadyDone {
  readonly kind: 'done'
}

/** How long to wait for another holder before asking again: it may end long before its lease does. */
const BUSY_WAIT_MS = { least: 20, most: 1_000 } as const

/**
 * Asks the dedupe store for the message. A message that somebody else works on is waited for and never passed over: its holder may
 * yet fail. A store that does not answer pauses the partition: without it nobody knows what was done.
 */
export async function beginMessage(delivery: Delivery, pipeline: Pipeline): Promise<Claim | AlreadyDone | Unfinished> {
  const { subscription, leases, epoch, runtime, groupId } = pipeline
  const { dedupe } = subscription
  if (dedupe === null || leases === null) return { attempt: 1, lease: null, failedAttempts: 0 }
  const { record, messageId } = delivery
  if (ownIdOf(record) === null) {
    pipeline.warnOnce(
      `records of ${record.topic} have no holdfast-id: they are recognised by their place, so a repeated send or a replay is not`,
    )
  }
  const begin = async (): Promise<BeginResult> => {
    pipeline.began()
    const answer = Promise.resolve(dedupe.store.begin(id, { leaseMs: dedupe.leaseMs }))
    try {
      return await storeCall(runtime.clock, dedupe.leaseMs, answer)
    } catch (error) {
      // An answer that comes after all is a lease that nobody holds, and would count as a beginning that came to no end.
      const giveBack = async (late: BeginResult): Promise<void> => {
        if (late.kind === 'started') await dedupe.store.abandon(late.token, late.attempt - 1)
      }
      answer.then(giveBack).catch(ignore)
      throw error
    }
  }
  const id = dedupeId({ groupId, handler: dedupe.scope, messageId })
  for (;;) {
    const begun = await insist(pipeline, begin, storeIsDown)
    if (begun.kind !== 'succeeded') return unfinished('stopping')
    if (begun.value.kind === 'done') return begun.value
    if (begun.value.kind === 'started') {
      const { attempt, token } = begun.value
      return { attempt, lease: leases.hold(token, epoch), failedAttempts: attempt - 1 }
    }
    const leftMs = begun.value.untilMs - runtime.clock.now()
    epoch.setPause({ reason: 'another holder works on the same message', unhealthy: false })
    try {
      await runtime.clock.sleep(Math.min(Math.max(leftMs, BUSY_WAIT_MS.least), BUSY_WAIT_MS.most), epoch.stopSignal)
    } catch {
      return unfinished('stopping')
    } finally {
      epoch.setPause(null)
    }
  }
}

/** Marks the message as done. Whatever keeps it from that sends the record round again. */
export async function completeMessage(
  claim: Claim,
  outcome: DedupeOutcome,
  { record }: Delivery,
  pipeline: Pipeline,
): Promise<'completed' | Unfinished> {
  const { lease } = claim
  const { subscription, epoch, events, runtime } = pipeline
  if (epoch.dead) {
    const { topic, partition, offset } = record
    events.emit('stale-refused', { position: { topic, partition, offset }, operation: 'complete' })
    return unfinished('epoch-lost')
  }
  if (lease === null) return 'completed'
  const completed = await insist(
    pipeline,
    () => {
      pipeline.began()
      const { store, leaseMs } = subscription.dedupe!
      return storeCall(runtime.clock, leaseMs, store.complete(lease.token, outcome))
    },
    storeIsDown,
    leaseLost,
  )
  if (completed.kind === 'succeeded') return 'completed'
  return unfinished(completed.kind === 'failed' ? 'lease-lost' : 'stopping')
}

/**
 * Gives an unmarked message back, so that it can begin again at once, with the attempts it has used up. A call that was interrupted is
 * none of them, or rebalances alone would park a slow message; and one call is always left, since its failure is what is parked.
 * When the store does not take it, the lease runs out.
 */
export async function abandonMessage(lease: Lease, { failedAttempts }: Claim, pipeline: Pipeline): Promise<void> {
  const { dedupe, retry } = pipeline.subscription
  try {
    if (dedupe === null) return
    const given = dedupe.store.abandon(lease.token, Math.min(failedAttempts, retry.maxAttempts - 1))
    await storeCall(pipeline.runtime.clock, dedupe.leaseMs, given)
  } catch (error) {
    pipeline.logger.warn(
      { partition: pipeline.epoch.name, error: describeError(error) },
      'a dedupe lease was not given back; it will run out',
    )
  }
}

function ignore(): void {}

function storeIsDown(thrown: unknown): string {
  const { name, code } = describeError(thrown)
  return `the dedupe store does not answer (${code ?? name})`
}

function leaseLost(thrown: unknown): thrown is HoldfastError {
  return HoldfastError.is(thrown, 'HOLDFAST_LEASE_LOST')
}

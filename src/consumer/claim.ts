import { describeError, HoldfastError } from '../errors/index.ts'
import type { BeginResult, DedupeOutcome } from '../idempotency/index.ts'
import { dedupeId } from '../idempotency/index.ts'
import type { Lease, LeaseKeeper } from './lease-keeper.ts'
import { goOn, insist, waitInLane } from './partition-pause.ts'
import type { Delivery } from './delivery.ts'
import type { Pipeline } from './pipeline.ts'
import { ownIdOf } from './message-id.ts'
import type { Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'
import { storeCall } from './store-call.ts'
import type { Subscription } from './subscription.ts'

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
export function beginMessage(
  delivery: Delivery,
  pipeline: Pipeline,
): Claim | AlreadyDone | Unfinished | Promise<Claim | AlreadyDone | Unfinished> {
  const { subscription, leases } = pipeline
  const { dedupe } = subscription
  if (dedupe === null || leases === null) return { attempt: 1, lease: null, failedAttempts: 0 }
  return beginAtStore(delivery, pipeline, dedupe, leases)
}

async function beginAtStore(
  delivery: Delivery,
  pipeline: Pipeline,
  dedupe: NonNullable<Subscription['dedupe']>,
  leases: LeaseKeeper,
): Promise<Claim | AlreadyDone | Unfinished> {
  const { epoch, runtime, groupId } = pipeline
  const { record, messageId } = delivery
  if (ownIdOf(record) === null) {
    pipeline.warnOnce(
      `records of ${record.topic} have no holdfast-id: they are recognised by their place, so a repeated send or a replay is not`,
    )
  }
  const begin = async (): Promise<BeginResult> => {
    delivery.since = runtime.clock.monotonic()
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
    const begun = await insist(delivery, pipeline, begin, storeIsDown)
    if (begun.kind !== 'succeeded') return unfinished('stopping')
    if (begun.value.kind === 'done') return begun.value
    if (begun.value.kind === 'started') {
      const { attempt, token } = begun.value
      delivery.lease = leases.hold(token, epoch)
      return { attempt, lease: delivery.lease, failedAttempts: attempt - 1 }
    }
    const leftMs = begun.value.untilMs - runtime.clock.now()
    waitInLane(delivery, pipeline, { reason: 'another holder works on the same message', unhealthy: false })
    try {
      await runtime.clock.sleep(Math.min(Math.max(leftMs, BUSY_WAIT_MS.least), BUSY_WAIT_MS.most), epoch.stopSignal)
    } catch {
      return unfinished('stopping')
    } finally {
      goOn(delivery, pipeline)
    }
  }
}

/** Marks the message as done. Whatever keeps it from that sends the record round again. */
export function completeMessage(
  claim: Claim,
  outcome: DedupeOutcome,
  delivery: Delivery,
  pipeline: Pipeline,
): 'completed' | Unfinished | Promise<'completed' | Unfinished> {
  const { record } = delivery
  const { lease } = claim
  const { epoch, events } = pipeline
  if (epoch.dead) {
    const { topic, partition, offset } = record
    events.emit('stale-refused', { position: { topic, partition, offset }, operation: 'complete' })
    return unfinished('epoch-lost')
  }
  return lease === null ? 'completed' : completeAtStore(lease, outcome, delivery, pipeline)
}

async function completeAtStore(
  lease: Lease,
  outcome: DedupeOutcome,
  delivery: Delivery,
  pipeline: Pipeline,
): Promise<'completed' | Unfinished> {
  const { subscription, runtime } = pipeline
  const completed = await insist(
    delivery,
    pipeline,
    async () => {
      // What a process did that was suspended beyond its session is not to be marked: the next owner may be at the same message.
      if (pipeline.isSuspect()) await pipeline.confirmMembership()
      delivery.since = runtime.clock.monotonic()
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

import { describeError, describeForLog, errorTypeOf, HoldfastError } from '../errors/index.ts'
import type { BeginResult, DedupeOutcome } from '../idempotency/index.ts'
import { formatPosition, positionOf } from '../record/index.ts'
import type { RetryResult } from '../retry/index.ts'
import { isPromiseLike } from '../topic/index.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { InboxOfHandler } from './inbox-call.ts'
import type { Lease, LeaseKeeper } from './lease-keeper.ts'
import { goOn, insist, waitInLane } from './partition-pause.ts'
import type { Delivery } from './delivery.ts'
import type { Pipeline } from './pipeline.ts'
import type { Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'
import type { Subscription } from './subscription.ts'
import { whenConfirmed } from './when-confirmed.ts'

type Dedupe = NonNullable<Subscription['dedupe']>

/** The right to work on a message. */
export interface Claim {
  readonly kind: 'claim'
  /** The number of the first call of the handler: more than 1 when the store knows of earlier beginnings that came to no end. */
  readonly attempt: number
  /** Null without a dedupe store: nobody is kept from anything. */
  readonly lease: Lease | null
  /** Has an inbox counted this beginning? */
  readonly counted: boolean
  /** Attempts that have come to nothing so far: what the store is told when the message is given back. */
  failedAttempts: number
}

/** Of a message that nobody is kept from: without a store, or past one that is out. */
export function unguarded(): Claim {
  return { kind: 'claim', attempt: 1, lease: null, counted: false, failedAttempts: 0 }
}

/** Somebody has handled or parked the message before. */
export interface AlreadyDone {
  readonly kind: 'done'
}

const HELD_BY_ANOTHER = 'another holder works on the same message'

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
  const { subscription, leases, inbox } = pipeline
  const { dedupe } = subscription
  if (dedupe !== null && leases !== null) return beginAtStore(delivery, pipeline, dedupe, leases)
  if (inbox !== null) {
    warnWithoutId(delivery, pipeline)
    if (delivery.arrival < inbox.counted) return beginAtInbox(delivery, pipeline, inbox)
  }
  return unguarded()
}

/**
 * An inbox hears of a message when its transaction commits, so a message that kills its process would never be counted. What may have done
 * so was in a handler when its process died, and is therefore among the first records of the assignment that follows: those are counted
 * before they begin, and the others cost nothing.
 */
async function beginAtInbox(
  delivery: Delivery,
  pipeline: Pipeline,
  { inbox, idOf }: InboxOfHandler,
): Promise<Claim | AlreadyDone | Unfinished> {
  const id = idOf(delivery.messageId)
  const begun = await insist(delivery, pipeline, () => inbox.begin(id), inboxIsDown)
  if (begun.kind !== 'succeeded') return unfinished('stopping')
  if (begun.value.kind === 'done') return begun.value
  const { attempt } = begun.value
  return { kind: 'claim', attempt, lease: null, counted: true, failedAttempts: attempt - 1 }
}

function warnWithoutId({ ownId, record }: Delivery, { warnOnce }: Pipeline): void {
  if (ownId !== null) return
  warnOnce(
    `records of ${record.topic} have no holdfast-id: they are recognised by their place, so a repeated send or a replay is not`,
  )
}

/** A store that answers at once is not awaited: for a handler that does nothing, promises would cost more than the store and all else. */
function beginAtStore(
  delivery: Delivery,
  pipeline: Pipeline,
  dedupe: Dedupe,
  leases: LeaseKeeper,
): Claim | AlreadyDone | Unfinished | Promise<Claim | AlreadyDone | Unfinished> {
  warnWithoutId(delivery, pipeline)
  const turn = delivery.batch?.turnOf(delivery) ?? null
  return turn === null
    ? askStore(delivery, pipeline, dedupe, leases)
    : askStoreAfter(turn, delivery, pipeline, dedupe, leases)
}

/** In a batch, what is behind a message that somebody else holds asks for no lease meanwhile: see `BatchGathering.awaitsLease`. */
async function askStoreAfter(
  turn: Promise<void>,
  ...[delivery, pipeline, dedupe, leases]: Parameters<typeof beginAtStore>
): Promise<Claim | AlreadyDone | Unfinished> {
  waitInLane(delivery, pipeline, { reason: HELD_BY_ANOTHER, unhealthy: false })
  await turn
  goOn(delivery, pipeline)
  return pipeline.epoch.stopped ? unfinished('stopping') : askStore(delivery, pipeline, dedupe, leases)
}

function askStore(
  ...[delivery, pipeline, dedupe, leases]: Parameters<typeof beginAtStore>
): Claim | AlreadyDone | Unfinished | Promise<Claim | AlreadyDone | Unfinished> {
  const id = leases.idOf(delivery.messageId)
  const begin = (): BeginResult | Promise<BeginResult> => {
    const answer = dedupe.store.begin(id, { leaseMs: dedupe.leaseMs })
    return isPromiseLike(answer) ? beginInTime(answer, delivery, pipeline, dedupe, leases) : answer
  }
  const begun = insist(delivery, pipeline, begin, storeIsDown, () => goesOnWithout(dedupe))
  if (!(begun instanceof Promise)) {
    const claim = claimOf(begun, delivery, pipeline, leases)
    if (claim.kind !== 'busy') return claim
  }
  return beginLater(begun, begin, delivery, pipeline, dedupe, leases)
}

async function beginInTime(
  asked: PromiseLike<BeginResult>,
  delivery: Delivery,
  { runtime }: Pipeline,
  { store }: Dedupe,
  { storeCalls }: LeaseKeeper,
): Promise<BeginResult> {
  delivery.since = runtime.clock.monotonic()
  const answer = Promise.resolve(asked)
  try {
    return await storeCalls.inTime(answer)
  } catch (error) {
    // An answer that comes after all is a lease that nobody holds, and would count as a beginning that came to no end.
    const giveBack = async (late: BeginResult): Promise<void> => {
      if (late.kind === 'started') await store.abandon(late.token, late.attempt - 1)
    }
    answer.then(giveBack).catch(ignore)
    throw error
  }
}

async function beginLater(
  first: RetryResult<BeginResult> | Promise<RetryResult<BeginResult>>,
  begin: () => BeginResult | Promise<BeginResult>,
  delivery: Delivery,
  pipeline: Pipeline,
  dedupe: Dedupe,
  leases: LeaseKeeper,
): Promise<Claim | AlreadyDone | Unfinished> {
  try {
    return await untilItsOwn(first, begin, delivery, pipeline, dedupe, leases)
  } finally {
    delivery.batch?.awaitsNoLease(delivery)
  }
}

async function untilItsOwn(
  ...[first, begin, delivery, pipeline, dedupe, leases]: Parameters<typeof beginLater>
): Promise<Claim | AlreadyDone | Unfinished> {
  const { epoch, runtime } = pipeline
  const isFinal = (): boolean => goesOnWithout(dedupe)
  let waitsSince: number | null = null
  for (let begun = await first; ; begun = await insist(delivery, pipeline, begin, storeIsDown, isFinal)) {
    const claim = claimOf(begun, delivery, pipeline, leases)
    if (claim.kind !== 'busy') return claim
    const leftMs = claim.untilMs - runtime.clock.now()
    const now = runtime.clock.monotonic()
    waitsSince ??= now
    // A holder that has gone, or is interrupted, lets go within one lease. One that keeps it for longer may hang.
    const unhealthy = now - waitsSince >= 2 * dedupe.leaseMs
    waitInLane(delivery, pipeline, { reason: HELD_BY_ANOTHER, unhealthy })
    delivery.batch?.awaitsLease(delivery)
    const stop = epoch.ownStop()
    try {
      await runtime.clock.sleep(Math.min(Math.max(leftMs, BUSY_WAIT_MS.least), BUSY_WAIT_MS.most), stop.signal)
    } catch {
      return unfinished('stopping')
    } finally {
      stop.forget()
      goOn(delivery, pipeline)
    }
  }
}

function claimOf(
  begun: RetryResult<BeginResult>,
  delivery: Delivery,
  pipeline: Pipeline,
  leases: LeaseKeeper,
): Claim | Exclude<BeginResult, { kind: 'started' }> | Unfinished {
  if (begun.kind === 'stopped') return unfinished('stopping')
  if (begun.kind === 'failed') {
    reportUnguarded('begin', begun.thrown, delivery, pipeline)
    return unguarded()
  }
  if (begun.value.kind !== 'started') return begun.value
  const { attempt, token } = begun.value
  delivery.lease = leases.hold(token, pipeline.epoch)
  return { kind: 'claim', attempt, lease: delivery.lease, counted: false, failedAttempts: attempt - 1 }
}

/** By `onStoreDown`: is a message handled, and its end taken for marked, when the store does not answer? */
function goesOnWithout({ onStoreDown }: Dedupe): boolean {
  return onStoreDown === 'handle'
}

function reportUnguarded(
  step: ConsumerEvents['unguarded']['step'],
  thrown: unknown,
  { record, messageId }: Delivery,
  { events, logger }: Pipeline,
): void {
  logger.warn(
    { record: formatPosition(record), step, error: describeForLog(thrown) },
    'the dedupe store does not answer, and by onStoreDown the message goes on without it',
  )
  events.emit('unguarded', { position: positionOf(record), messageId, step })
}

/** Marks the message as done. Whatever keeps it from that sends the record round again. What an inbox has marked by itself is not to come here. */
export function completeMessage(
  claim: Claim,
  outcome: DedupeOutcome,
  delivery: Delivery,
  pipeline: Pipeline,
): 'completed' | Unfinished | Promise<'completed' | Unfinished> {
  const { lease } = claim
  if (pipeline.epoch.dead) return refused(delivery, pipeline)
  if (lease !== null) return completeAtStore(lease, outcome, delivery, pipeline)
  return pipeline.inbox === null ? 'completed' : completeAtInbox(pipeline.inbox, outcome, delivery, pipeline)
}

/** Needs no word of the group: a mark that the next owner has made already stands, and this one changes nothing. */
async function completeAtInbox(
  { inbox, idOf }: InboxOfHandler,
  outcome: DedupeOutcome,
  delivery: Delivery,
  pipeline: Pipeline,
): Promise<'completed' | Unfinished> {
  const message = { id: idOf(delivery.messageId), token: (delivery.token ??= pipeline.runtime.ids()) }
  const completed = await insist(delivery, pipeline, () => inbox.complete(message, outcome), inboxIsDown)
  return completed.kind === 'succeeded' ? 'completed' : unfinished('stopping')
}

function completeAtStore(
  lease: Lease,
  outcome: DedupeOutcome,
  delivery: Delivery,
  pipeline: Pipeline,
): 'completed' | Unfinished | Promise<'completed' | Unfinished> {
  const { epoch, runtime } = pipeline
  const dedupe = pipeline.subscription.dedupe!
  const { store } = dedupe
  const mark = (): void | Promise<void> => {
    const answer = store.complete(lease.token, outcome)
    if (!isPromiseLike(answer)) return
    delivery.since = runtime.clock.monotonic()
    return pipeline.leases!.storeCalls.inTime(answer)
  }
  // What a process did that was suspended beyond its session is not to be marked: the next owner may be at the same message.
  const markIfConfirmed = (): void | Promise<void> => {
    if (epoch.dead || pipeline.isSuspect()) throw new Unconfirmed()
    return mark()
  }
  const complete = (): void | Promise<void> => whenConfirmed(pipeline)?.then(markIfConfirmed) ?? mark()
  const end = (result: RetryResult<void>): 'completed' | Unfinished => {
    if (result.kind === 'succeeded') return 'completed'
    if (epoch.dead) return refused(delivery, pipeline)
    if (result.kind === 'failed' && !isFinal(result.thrown)) {
      reportUnguarded('complete', result.thrown, delivery, pipeline)
      return 'completed'
    }
    return unfinished(result.kind === 'failed' && leaseLost(result.thrown) ? 'lease-lost' : 'stopping')
  }
  const completed = insist(
    delivery,
    pipeline,
    complete,
    storeIsDown,
    (thrown) => isFinal(thrown) || goesOnWithout(dedupe),
  )
  return completed instanceof Promise ? completed.then(end) : end(completed)
}

/** The epoch has stopped, and nobody says that the partition is still its own. */
class Unconfirmed extends Error {}

function isFinal(thrown: unknown): boolean {
  return thrown instanceof Unconfirmed || leaseLost(thrown)
}

function refused(delivery: Delivery, { events }: Pipeline): Unfinished {
  events.emit('stale-refused', { position: positionOf(delivery.record), operation: 'complete' })
  return unfinished('epoch-lost')
}

/**
 * Gives an unmarked message back, so that it can begin again at once, with the attempts it has used up. A call that was interrupted is
 * none of them, or rebalances alone would park a slow message; and one call is always left, since its failure is what is parked.
 * When the store does not take it, the lease runs out.
 */
export async function abandonMessage(
  { lease, counted, failedAttempts }: Claim,
  delivery: Delivery,
  pipeline: Pipeline,
): Promise<void> {
  const { dedupe, retry } = pipeline.subscription
  const { inbox } = pipeline
  const used = Math.min(failedAttempts, retry.maxAttempts - 1)
  try {
    if (counted && inbox !== null) await inbox.inbox.abandon(inbox.idOf(delivery.messageId), used)
    if (dedupe === null || lease === null) return
    const given = dedupe.store.abandon(lease.token, used)
    if (isPromiseLike(given)) await pipeline.leases!.storeCalls.inTime(given)
  } catch (error) {
    pipeline.logger.warn(
      { partition: pipeline.epoch.name, error: describeForLog(error) },
      counted
        ? 'a message was not given back, and its beginning counts'
        : 'a dedupe lease was not given back; it will run out',
    )
  }
}

function ignore(): void {}

function inboxIsDown(thrown: unknown): string {
  return `the inbox's database does not answer (${errorTypeOf(describeError(thrown))})`
}

function storeIsDown(thrown: unknown): string {
  return `the dedupe store does not answer (${errorTypeOf(describeError(thrown))})`
}

function leaseLost(thrown: unknown): thrown is HoldfastError {
  return HoldfastError.is(thrown, 'HOLDFAST_LEASE_LOST')
}

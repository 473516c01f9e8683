import { HoldfastError } from '../errors/index.ts'
import { formatPartition } from '../record/index.ts'
import type { BatchHandler, BatchMessage } from './batch.ts'
import type { Delivery } from './delivery.ts'
import { nothingBegins, untilNothingBegins } from './delivery-level.ts'
import type { KnownByInbox } from './inbox-call.ts'
import { callBatchInInbox } from './inbox-call.ts'
import { LetsOthersGo, NothingBegins } from './nothing-begins.ts'
import type { Pipeline } from './pipeline.ts'
import { whenConfirmed } from './when-confirmed.ts'

/**
 * Gathers messages of one partition into calls of a batch handler. Each record goes its own way through `processRecord`, so that batches
 * have every guarantee that single messages have; where a handler of single messages would be called, it joins here.
 *
 * Calls are made in the order of offsets. What waits for something else (its lease, its next attempt) is waited for by all behind it, or
 * a later message of its key would be handled before it.
 */
export interface BatchGathering {
  /** These begin together, and have been given a place. */
  begin(deliveries: readonly Delivery[]): void
  /** Takes part in a call as soon as there is one for it: with the others, or alone when it was part of a call before. */
  join(delivery: Delivery, seat: Seat): void
  /**
   * Has it just failed for what others may have done: by a call with several messages that threw, or did not end in time? Once: the next
   * time it is asked for the next call.
   */
  failedTogether(delivery: Delivery): boolean
  /** Was it failed by its handler before the partition was taken away under the call? Once: then it has failed by its own fault. */
  failedByItself(delivery: Delivery): boolean
  /** Is it here, and waits for its call? */
  awaitsCall(delivery: Delivery): boolean
  /** It waits for something else: what is before it need not wait for it. */
  waits(delivery: Delivery): void
  /**
   * Somebody else holds its message, and it waits for that: all behind it let their leases go, since whoever that is may wait for one of
   * those, as when two partitions have the same messages in another order.
   */
  awaitsLease(delivery: Delivery): void
  /** It has its lease, or waits no more. */
  awaitsNoLease(delivery: Delivery): void
  /** Null when it may ask for its lease; else resolves when nothing before it waits for one, or nothing begins any more. */
  turnOf(delivery: Delivery): Promise<void> | null
  /** The call that it is in has not ended in time: it gives up its place, and no other call of this partition begins before it has ended. */
  overran(delivery: Delivery): void
  /** It has its outcome, or will not come any more. */
  ended(delivery: Delivery): void
}

/** Where a message waits for its call. */
export interface Seat {
  /** The call begins, now. */
  enter(): Participant
  /** There is no call any more. */
  refuse(reason: NothingBegins | LetsOthersGo): void
}

/** A message in a call. */
export interface Participant {
  readonly message: BatchMessage<unknown>
  /** The handler is called once more for it, within the same call. */
  calledAnew(): void
  /** @param said - as the handler of a single message would return it */
  resolve(said?: KnownByInbox): void
  reject(reason: unknown): void
}

interface Part {
  phase: 'coming' | 'here' | 'away'
  /** Null while it is not here. */
  seat: Seat | null
  /** Was it part of a call before? Then one of its own follows, so that one bad message fails by itself. */
  alone: boolean
}

type Surroundings = Pick<
  Pipeline,
  'dispatcher' | 'subscription' | 'epoch' | 'inbox' | 'logger' | 'runtime' | 'isSuspect' | 'confirmMembership'
>

/** Makes a {@link BatchGathering} for one epoch. */
export function createBatchGathering(
  handler: BatchHandler<unknown, unknown>,
  surroundings: Surroundings,
): BatchGathering {
  const { dispatcher, subscription, epoch, inbox, logger, runtime } = surroundings
  const parts = new Map<Delivery, Part>() // of what has begun and was not handled yet, in the order of offsets
  const together = new WeakSet<Delivery>() // they are in a call with others, or were in one that failed as a whole
  const byItself = new WeakSet<Delivery>() // failed before the signal of their call aborted
  const awaiting = new Set<Delivery>() // a lease that somebody else has
  const turns = new Set<() => void>() // whom to tell when that has changed
  let coming = 0 // counted: each of thousands that comes would look through all of them
  let hasPlace = false
  let calling = false
  let called: readonly Delivery[] = [] // those of the call under way

  const next = (): void => {
    if (calling || coming > 0) return
    if (callable().length > 0) void call()
    else leavePlace()
  }

  /** Those of the next call, when none is still to come. */
  const callable = (): readonly Delivery[] => {
    const found: Delivery[] = []
    for (const [delivery, { phase, alone }] of parts) {
      if (phase === 'away' || (alone && found.length > 0)) break
      found.push(delivery)
      if (alone) break
    }
    return found
  }

  /** Is something before it waiting for a lease? */
  const isBehindAwaiting = ({ record }: Delivery): boolean => {
    for (const each of awaiting) if (each.record.offset < record.offset) return true
    return false
  }

  const untilNobodyAwaits = async (delivery: Delivery): Promise<void> => {
    while (!epoch.stopped && isBehindAwaiting(delivery)) await new Promise<void>((resolve) => turns.add(resolve))
  }

  const tellTurns = (): void => {
    for (const turn of turns) turn()
    turns.clear()
  }

  const comesNoMore = ({ phase }: Part): void => {
    if (phase === 'coming') coming--
  }

  const leavePlace = (): void => {
    if (!hasPlace) return
    hasPlace = false
    dispatcher.leave(subscription.bound)
  }

  const call = async (): Promise<void> => {
    calling = true
    try {
      if (!(await mayCall())) return
      const deliveries = callable() // after the awaits: more may have come, or all have been refused
      called = deliveries
      if (deliveries.length > 0) await callNow(deliveries)
    } finally {
      calling = false
      called = []
      leavePlace()
      next()
    }
  }

  /** False when the epoch has stopped: all that are here have been refused then. */
  const mayCall = async (): Promise<boolean> => {
    if (!hasPlace) {
      try {
        await dispatcher.enter(subscription.bound, untilNothingBegins(surroundings))
      } catch {
        return false
      }
      hasPlace = true
    }
    await whenConfirmed(surroundings)
    return !nothingBegins(surroundings)
  }

  const callNow = async (deliveries: readonly Delivery[]): Promise<void> => {
    const entered = new Map(deliveries.map((delivery) => [delivery, enter(delivery)]))
    // Not at most once: to call each by itself would be to call it twice.
    if (deliveries.length > 1 && subscription.delivery === 'at-least-once')
      for (const delivery of deliveries) together.add(delivery)
    const { signal } = entered.get(deliveries[0]!)!.message.context
    const failures = new Map<Delivery, unknown>()

    let calls = 0
    const invoke = async (some: readonly Delivery[], tx: unknown): Promise<ReadonlySet<Delivery>> => {
      if (calls++ > 0) for (const each of some) entered.get(each)!.calledAnew()
      const failed = await invokeHandler(new Map(some.map((each) => [entered.get(each)!.message, each])), signal, tx)
      for (const [delivery, error] of failed) failures.set(delivery, error)
      return new Set(failed.keys())
    }
    const handled = (delivery: Delivery, said?: KnownByInbox): void => {
      parts.delete(delivery)
      together.delete(delivery) // it may come again, by itself
      entered.get(delivery)!.resolve(said)
      entered.delete(delivery)
    }
    const failed = (delivery: Delivery): void => {
      together.delete(delivery)
      entered.get(delivery)!.reject(failures.get(delivery))
      entered.delete(delivery)
    }
    try {
      if (inbox === null) {
        const some = await invoke(deliveries, undefined)
        for (const delivery of deliveries) if (!some.has(delivery)) handled(delivery)
        for (const delivery of some) failed(delivery)
      } else {
        const call = { signal, idleTimeoutMs: subscription.handlerTimeoutMs, ids: runtime.ids }
        await callBatchInInbox(inbox, deliveries, invoke, { handled, failed }, call)
      }
    } catch (thrown) {
      for (const participant of entered.values()) participant.reject(thrown)
    }
  }

  /** One call of the handler. Resolves with those that it has failed, and over what. */
  const invokeHandler = async (
    of: ReadonlyMap<unknown, Delivery>,
    signal: AbortSignal,
    tx: unknown,
  ): Promise<ReadonlyMap<Delivery, unknown>> => {
    const failures = new Map<Delivery, unknown>()
    const inTime: Delivery[] = []
    const { topic, partition } = epoch
    const [first] = of.values()
    let over = false
    try {
      await first!.observation.run(() =>
        handler([...of.keys()] as readonly BatchMessage<unknown>[], {
          topic,
          partition,
          signal,
          tx,
          log: logger,
          fail(message, error) {
            const delivery = of.get(message)
            if (delivery === undefined) throw notOfBatch()
            if (!over && !signal.aborted) inTime.push(delivery)
            if (!over) failures.set(delivery, error)
            else
              logger.warn({ partition: epoch.name }, 'a message was failed after its batch had ended: it was handled')
          },
        }),
      )
      for (const delivery of inTime) byItself.add(delivery)
      return failures
    } finally {
      over = true
    }
  }

  const enter = (delivery: Delivery): Participant => {
    const part = parts.get(delivery)!
    const { seat } = part
    Object.assign(part, { phase: 'away', seat: null, alone: true } satisfies Part)
    return seat!.enter()
  }

  const letOthersGo = (part: Part, seat: Seat): void => {
    Object.assign(part, { phase: 'away', seat: null } satisfies Partial<Part>)
    seat.refuse(new LetsOthersGo())
  }

  const notOfBatch = (): HoldfastError =>
    new HoldfastError(
      'HOLDFAST_CONFIG_INVALID',
      `${formatPartition(epoch)}: fail() was given no message of its batch`,
      {
        problems: [{ path: 'message', message: 'must be one of those that the handler was called with' }],
      },
    )

  epoch.onStop(tellTurns)
  untilNothingBegins(surroundings).onStop(() => {
    for (const part of parts.values()) {
      part.seat?.refuse(new NothingBegins())
      part.seat = null
      part.phase = 'away'
    }
    coming = 0
  })

  return {
    begin(deliveries) {
      hasPlace = true
      coming = deliveries.length
      for (const delivery of deliveries) parts.set(delivery, { phase: 'coming', seat: null, alone: false })
    },
    join(delivery, seat) {
      if (nothingBegins(surroundings)) {
        seat.refuse(new NothingBegins())
        return
      }
      // One that was handled, and could not be marked as that, comes again.
      const part: Part = parts.get(delivery) ?? { phase: 'here', seat, alone: true }
      comesNoMore(part)
      parts.set(delivery, part)
      if (isBehindAwaiting(delivery)) letOthersGo(part, seat)
      else Object.assign(part, { phase: 'here', seat } satisfies Partial<Part>)
      next()
    },
    failedTogether: (delivery) => together.delete(delivery),
    failedByItself: (delivery) => byItself.delete(delivery),
    awaitsCall: (delivery) => parts.get(delivery)?.phase === 'here',
    waits(delivery) {
      const part = parts.get(delivery)
      if (part?.phase !== 'coming') return
      comesNoMore(part)
      part.phase = 'away'
      next()
    },
    awaitsLease(delivery) {
      awaiting.add(delivery)
      for (const [each, part] of parts) if (part.seat !== null && isBehindAwaiting(each)) letOthersGo(part, part.seat)
    },
    awaitsNoLease(delivery) {
      if (awaiting.delete(delivery)) tellTurns()
    },
    turnOf: (delivery) => (awaiting.size > 0 && isBehindAwaiting(delivery) ? untilNobodyAwaits(delivery) : null),
    overran(delivery) {
      // Told for each of the call, and perhaps after its end: another may be under way by then, in a place of its own.
      if (hasPlace && called.includes(delivery)) leavePlace()
    },
    ended(delivery) {
      const part = parts.get(delivery)
      if (part === undefined) return
      parts.delete(delivery)
      comesNoMore(part)
      next()
    },
  }
}

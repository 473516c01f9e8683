import type { InboundBatch } from '../driver/index.ts'
import type { InboundRecord } from '../record/index.ts'
import { formatPosition } from '../record/index.ts'
import type { Telemetry } from '../telemetry/index.ts'
import { createBacklog } from './backlog.ts'
import type { BatchSource } from './batch-source.ts'
import { createBatchSource } from './batch-source.ts'
import type { LateCall } from './delivery.ts'
import { Delivery } from './delivery.ts'
import { createChain } from './chain.ts'
import type { Begun, Source } from './dispatcher.ts'
import { MOST_IN_A_ROW } from './dispatcher.ts'
import type { Wait } from './epoch.ts'
import { stillRunning } from './handler-call.ts'
import { laneOf, openLaneOf } from './lane-of.ts'
import { createLanes } from './lanes.ts'
import { KNOWN } from './offset-tracker.ts'
import { goOn } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'
import { detached } from './record-bytes.ts'
import type { RecordOutcome, Unfinished } from './record-outcome.ts'
import { createRecordRun } from './record-run.ts'
import type { OpenLane } from './still-open.ts'

/** Works off the records of one epoch: those of a lane in the order of their offsets, those of different lanes side by side. */
export interface PartitionLoop {
  /** Takes records over. Those that were taken before, or that an earlier owner has finished, are dropped when their turn comes. */
  take(batch: InboundBatch): void
  /** Begins no further record until `release`; those under way go on. */
  hold(): void
  release(): void
  /** Resolves when nothing of it is under way; at once when nothing is. Meant for after the epoch has stopped. */
  idle(): Promise<void>
  /** Drops what is held. For an epoch that is dead: a handler that never ends would keep it all in memory. */
  discard(): void
  /** Lanes in which something is under way, a timed-out call of a handler included, and when each will have ended. */
  openLanes(): ReadonlyMap<string, Promise<unknown>>
  /** Of the records under way, the one that has begun nothing new for the longest; null when none is, or all wait. */
  longest(): UnderWay | null
  /** How many records are under way. */
  underWay(): number
  /** Since when the record at the watermark is here, on the monotonic clock; null when none is. */
  headSince(): number | null
  /** Records held, those under way included. */
  records(): number
  /** What they take, in bytes. */
  bytes(): number
}

/** A record that is under way. */
export interface UnderWay {
  readonly position: string
  /** When it last began something (to be read, a call of its store or its handler), on the monotonic clock. */
  readonly since: number
  /** What takes longer than this is taken for something that never ends. */
  readonly boundMs: number
}

/** What a {@link PartitionLoop} is made of. */
export interface PartitionLoopOptions {
  readonly pipeline: Omit<Pipeline, 'untilResumed'>
  readonly telemetry: Pick<Telemetry, 'processing'>
  /** Nothing is dispatched before it resolves: the start is not committed, or the user's own state is not loaded. */
  readonly ready: Promise<void>
  /** Lanes in which an earlier epoch still has something under way. */
  readonly openLanes: readonly OpenLane[]
  /** A record has its outcome, and its offset may move. */
  readonly onOutcome: (record: InboundRecord, outcome: RecordOutcome) => void
  /** The watermark may have moved without an outcome: over what was done before, or what never comes. */
  readonly onMoved: () => void
  /** What is held has grown or shrunk. */
  readonly onBuffered: () => void
  /** Is all held that may be? Nothing further is fetched then. */
  readonly isFull: () => boolean
  readonly held: boolean
}

/** Makes a {@link PartitionLoop}. The epoch has its start position. */
export function createPartitionLoop(options: PartitionLoopOptions): PartitionLoop {
  const { telemetry, onOutcome, onMoved, onBuffered } = options
  const { epoch, runtime, groupId, subscription, dispatcher } = options.pipeline
  const { clock } = runtime
  const tracker = epoch.tracker!
  const boundMs = Math.max(subscription.handlerTimeoutMs, 2 * (subscription.dedupe?.leaseMs ?? 0))
  const lanes = createLanes<Delivery>()
  const backlog = createBacklog((nextOffset) => {
    const before = tracker.watermark()
    tracker.cover(nextOffset)
    if (tracker.watermark() !== before) onMoved()
  })
  const underWay = createChain<Delivery>()
  const late = new Set<Delivery>() // they have their outcome, and a timed-out call of their handler is still running
  const whenResumed = new Set<() => void>()
  const whenIdle = new Set<() => void>()
  let lookedForOld = 0
  let arrivals = 0
  let records = 0
  let bytes = 0
  let held = options.held

  const pipeline: Pipeline = {
    ...options.pipeline,
    untilResumed: () =>
      new Promise((resolve) => {
        const forget = epoch.onStop(resolve) // at once when it has stopped: a drain must not wait for somebody
        whenResumed.add(() => {
          forget()
          resolve()
        })
      }),
  }

  const { batch } = subscription
  const missing = new Set<unknown>([options.ready]) // what is to come before anything begins
  /** Whether it does is known when it is looked at. */
  const mayBegin = (): boolean =>
    missing.size === 0 &&
    !held &&
    !epoch.stopped &&
    !epoch.gated &&
    (batch === null || !isBusy()) &&
    (lanes.ready() || backlog.records > 0)
  const isBusy = (): boolean => underWay.size > 0 || late.size > 0
  const kick = (): void => {
    if (!source.queued && mayBegin()) dispatcher.offer(source)
  }
  const batches = batch === null ? null : createBatchSource(batch, lanes, pipeline, kick)
  epoch.onUngated = kick

  const source: Source = {
    bound: subscription.bound,
    queued: false,
    begin(): Begun {
      if (!mayBegin() || !look()) return 'idle'
      if (batches !== null) return beginBatch(batches)
      const delivery = lanes.take()!
      underWay.add(delivery)
      delivery.hasPlace = true
      delivery.running = runRecord(delivery)
      return mayBegin() ? 'more' : 'last'
    },
  }

  /** Puts so many records into their lanes. */
  const lookAt = (count: number): void => {
    for (let left = count; left > 0; left--) {
      const takenAt = backlog.since()
      const record = backlog.next()
      if (record === undefined) break
      const ticket = tracker.take(record.offset)
      if (ticket === KNOWN) {
        onMoved() // fetched twice, after a pause; or finished by an earlier owner
        continue
      }
      const lane = laneOf(record, subscription.ordering, lanes.anyClosed())
      const delivery = new Delivery({ record, groupId, ticket, lane, arrival: arrivals++, takenAt })
      records++
      bytes += delivery.bytes
      lanes.add(delivery)
    }
    backlog.cover()
  }

  /** Looks at what came until something may begin. */
  const look = (): boolean => {
    while (!lanes.ready() && backlog.records > 0) lookAt(LOOKED_AT_ONCE)
    return lanes.ready()
  }

  /** One batch at a time: what fails of it is tried again before anything behind it. */
  const beginBatch = (of: BatchSource): Begun => {
    const members = of.take(records, options.isFull())
    for (const delivery of members) underWay.add(delivery) // all of them first: one that ends at once is not the last
    for (const delivery of members) delivery.running = runRecord(delivery)
    return members.length === 0 ? 'idle' : 'last'
  }

  void options.ready.then(() => {
    missing.delete(options.ready)
    kick()
  })

  /** Something of a lane is under way that nothing can end: the others go on, and health says so. The function ends that. */
  const keyWaits = (reason: string, reopen: () => void): (() => void) => {
    const wait: Wait = { reason, unhealthy: true, gates: false }
    epoch.addWait(wait)
    return () => {
      epoch.removeWait(wait)
      if (epoch.dead) return
      reopen()
      kick()
    }
  }

  const stopListening = options.openLanes.map((open) => {
    const reason = 'a handler of an earlier assignment is still running; its key waits for that'
    if (batch !== null) missing.add(open) // a batch is of many lanes: it waits for all of them
    const reopen = batch === null ? lanes.close(open.lane) : (): void => void missing.delete(open)
    return open.onEnd(keyWaits(reason, reopen))
  })

  const end = (delivery: Delivery, outcome: RecordOutcome | Unfinished): void => {
    underWay.delete(delivery)
    delivery.batch?.ended(delivery)
    goOn(delivery, pipeline)
    if (outcome.kind !== 'unfinished' && !epoch.dead) {
      records--
      bytes -= delivery.bytes
      tracker.finish(delivery.ticket)
      onOutcome(delivery.record, outcome)
    } else if (outcome.kind !== 'unfinished' && delivery.claimed) onOutcome(delivery.record, outcome) // it never comes again
    if (delivery.late !== null) leaveWhenEnded(delivery, delivery.late)
    else if (!epoch.dead) lanes.leave(delivery)
    if (underWay.size === 0) for (const idle of whenIdle) idle()
    kick() // before the place is free, so that this partition has its turn behind the others
    if (delivery.hasPlace) {
      delivery.hasPlace = false
      dispatcher.leave(subscription.bound)
    }
    onBuffered()
  }

  const runRecord = createRecordRun(pipeline, telemetry, end)

  /** What waits for long must not keep the response that it came in: it may hold megabytes of records that are long done. */
  const detachOld = (now: number): void => {
    if (now - lookedForOld < DETACH_AFTER_MS) return
    lookedForOld = now
    const detach = (delivery: Delivery): void => {
      if (delivery.detached || now - delivery.takenAt < DETACH_AFTER_MS) return
      delivery.detached = true
      delivery.record = detached(delivery.record)
    }
    forEachHeld(detach)
    backlog.detach(now - DETACH_AFTER_MS)
  }

  const forEachHeld = (visit: (delivery: Delivery) => void): void => {
    lanes.forEachWaiting(visit)
    for (const first of underWay) for (let each: Delivery | null = first; each !== null; each = each.next) visit(each)
    for (const { next } of late) for (let each = next; each !== null; each = each.next) visit(each)
  }

  const leaveWhenEnded = (delivery: Delivery, { ended }: LateCall): void => {
    late.add(delivery)
    const hasEnded = keyWaits(stillRunning(delivery.record), () => {
      late.delete(delivery)
      lanes.leave(delivery)
    })
    void ended.then(hasEnded)
  }

  return {
    take(received) {
      const now = clock.monotonic()
      detachOld(now)
      backlog.add(received.records, received.nextOffset, now)
      if (batch !== null)
        lookAt(Infinity) // a batch handler has as much at once as there is
      else backlog.cover() // there may be no record in it
      onBuffered()
      kick()
    },
    hold: () => void (held = true),
    release() {
      held = false
      for (const resume of whenResumed) resume()
      whenResumed.clear()
      kick()
    },
    idle: () =>
      new Promise((resolve) => {
        if (underWay.size === 0) {
          resolve()
          return
        }
        const done = (): void => {
          whenIdle.delete(done)
          resolve()
        }
        whenIdle.add(done)
      }),
    discard() {
      batches?.close()
      for (const forget of stopListening) forget()
      lanes.clear()
      backlog.clear()
      for (const delivery of underWay) delivery.next = null
      for (const delivery of late) delivery.next = null
      records = bytes = 0
    },
    openLanes() {
      const open = new Map<string, Promise<unknown>>()
      for (const delivery of late) open.set(openLaneOf(delivery), delivery.late!.ended)
      for (const delivery of underWay) open.set(openLaneOf(delivery), hasEnded(delivery))
      return open
    },
    longest() {
      let longest: Delivery | null = null
      for (const delivery of underWay) {
        const waits = delivery.wait !== null || delivery.batch?.awaitsCall(delivery)
        if (!waits && (longest === null || delivery.since < longest.since)) longest = delivery
      }
      return longest === null ? null : { position: formatPosition(longest.record), since: longest.since, boundMs }
    },
    underWay: () => underWay.size,
    headSince() {
      let head = backlog.records > 0 ? backlog.since() : null
      forEachHeld(({ takenAt }) => (head = head === null ? takenAt : Math.min(head, takenAt)))
      return head
    },
    records: () => records + backlog.records,
    bytes: () => bytes + backlog.bytes,
  }
}

/** A call may time out only later: then it is open for longer than its record is under way. */
async function hasEnded(delivery: Delivery): Promise<void> {
  await Promise.resolve() // a handler that ends its own assignment is called before `running` is there
  await delivery.running
  await delivery.late?.ended
}

/** No more than begin in a row where they end at once: with hundreds of partitions the rest would grow old until the next turn. */
const LOOKED_AT_ONCE = MOST_IN_A_ROW

/** By then nearly all have been worked off; copying those that have not takes no time worth counting. */
const DETACH_AFTER_MS = 1_000

import type { TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import type { Mutable } from './mutable.ts'
import type { FinishedRange, OffsetTracker } from './offset-tracker.ts'
import { createOffsetTracker } from './offset-tracker.ts'

/**
 * One assignment of one partition to this process, or what of it follows a seek. All that is done for a record (park, complete, commit)
 * goes through the epoch it was read in, and a dead epoch refuses: the partition may be somebody else's by then.
 */
export interface Epoch extends TopicPartition {
  /** As the driver counts assignments. */
  readonly number: number
  /** `orders[3]`: names it in maps and to people. */
  readonly name: string
  /** Null until the start position is known. */
  readonly tracker: OffsetTracker | null
  /** What was finished above its start before it began. */
  readonly inherited: readonly FinishedRange[]
  /** The last offset that the broker acknowledged; null when the group has none, or its own is to be overwritten. */
  committed: bigint | null
  /** What the tracker's revision was when it was committed last; -1 before the first time. */
  committedRevision: number
  /** Nothing further begins: it drains, or is dead. */
  readonly stopped: boolean
  /** The partition is gone, or must be taken as gone. For ever. */
  readonly dead: boolean
  /** Aborts when the time to drain is used up, or the partition is gone: what handlers are given. */
  readonly signal: AbortSignal
  /**
   * Calls once when nothing further begins, or when {@link signal} aborts, and at once when that has been; the function that it returns calls that off. For
   * what every record may need: an AbortSignal searches all of its listeners for each that comes or goes.
   */
  onStop(listener: () => void): () => void
  onAbort(listener: () => void): () => void
  /** A signal for one record, which aborts when nothing further begins, until `forget` is called: many records can wait at a time. */
  ownStop(): { readonly signal: AbortSignal; readonly forget: () => void }
  /** What somebody should know of the records that wait: the first wait that needs attention, else any; null when none waits. */
  wait(): Wait | null
  /** Is there a wait for which no further record may begin? */
  readonly gated: boolean
  /** Sets where it starts, and what an earlier owner has finished above that. Once. */
  begin(start: bigint, finished?: readonly FinishedRange[]): void
  addWait(wait: Wait): void
  removeWait(wait: Wait): void
  /** Called when the last wait that kept records from beginning has ended. */
  onUngated: () => void
  stop(): void
  abort(reason: Error): void
  /** Makes it refuse everything, and aborts what still runs. */
  end(reason: Error): void
}

/** Something that a record, or all of a partition, waits for. */
export interface Wait {
  /** A sentence, for health. */
  readonly reason: string
  /** Does it need somebody's attention? A wait between two attempts does not. */
  readonly unhealthy: boolean
  /** Does all of the partition wait? An outage of a dependency pauses it; a failing message keeps its own key alone. */
  readonly gates: boolean
}

/** Makes an {@link Epoch} without a start position. */
export function createEpoch({ topic, partition }: TopicPartition, number: number, committed: bigint | null): Epoch {
  const aborting = new AbortController()
  const onStop = createListeners()
  const onAbort = createListeners()
  const waits = new Set<Wait>()
  let gates = 0

  const epoch: Mutable<Epoch> = {
    topic,
    partition,
    number,
    name: formatPartition({ topic, partition }),
    committed,
    committedRevision: -1,
    signal: aborting.signal,
    onStop: onStop.add,
    onAbort: onAbort.add,
    ownStop() {
      const own = new AbortController()
      return { signal: own.signal, forget: onStop.add(() => own.abort(new Error('nothing further begins'))) }
    },
    onUngated: () => {},
    tracker: null,
    inherited: [],
    stopped: false,
    dead: false,
    gated: false,
    wait: () => mostUrgent(waits),
    begin(start, finished = []) {
      if (epoch.tracker !== null) return
      epoch.tracker = createOffsetTracker(start, finished)
      epoch.inherited = finished
    },
    addWait(wait) {
      if (waits.has(wait)) return
      waits.add(wait)
      if (!wait.gates) return
      gates++
      epoch.gated = true
    },
    removeWait(wait) {
      if (!waits.delete(wait) || !wait.gates || --gates > 0) return
      epoch.gated = false
      epoch.onUngated()
    },
    stop() {
      if (epoch.stopped) return
      epoch.stopped = true // before the listeners: they look here
      onStop.call()
    },
    abort(reason) {
      epoch.stop()
      if (aborting.signal.aborted) return
      aborting.abort(reason)
      onAbort.call()
    },
    end(reason) {
      epoch.dead = true
      epoch.abort(reason)
    },
  }
  return epoch
}

function mostUrgent(waits: Iterable<Wait>): Wait | null {
  let any: Wait | null = null
  for (const wait of waits) {
    if (wait.unhealthy) return wait
    any ??= wait
  }
  return any
}

interface Listeners {
  add(listener: () => void): () => void
  call(): void
}

function createListeners(): Listeners {
  const listeners = new Set<() => void>()
  let called = false
  return {
    add(listener) {
      if (called) {
        listener() // it would wait for ever for what has been
        return () => {}
      }
      const own = (): void => listener()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    call() {
      called = true
      for (const listener of listeners) {
        listeners.delete(listener)
        listener()
      }
    },
  }
}

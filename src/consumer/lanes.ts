import type { Queue } from './queue.ts'
import { createQueue } from './queue.ts'

/** Something that waits its turn in a lane. It belongs to one {@link Lanes} at a time, which owns `next` and `tail`. */
export interface Laned<T> {
  /** What it shares its turn with; null shares with nothing. */
  readonly lane: string | null
  /** When it came: grows from one to the next. */
  readonly arrival: number
  next: T | null
  tail: Tail<T> | null
}

/**
 * The queues of one partition: one for each key, each worked off one at a time. A lane exists while something of it waits or is under
 * way, so that a million keys that have passed leave nothing behind, and one that waits costs the others nothing.
 *
 * Fair: of all that may begin, what came first begins first. A busy key comes before what arrived behind it, never before what was there.
 */
export interface Lanes<T extends Laned<T>> {
  add(item: T): void
  /** What may begin: it is under way then, until {@link Lanes.leave}. */
  take(): T | undefined
  /** It has ended: the next of its lane may begin. */
  leave(item: T): void
  /** Closes a lane, to which nothing has come yet, until the function that it returns is called: something of it is under way elsewhere. */
  close(lane: string): () => void
  /** Visits all that may begin or waits in a closed lane, and what is behind it. What is behind something under way is reached from that. */
  forEachWaiting(visit: (item: T) => void): void
  /** Lets go of all that waits: who still has a lane to open, or to leave, must not keep it in memory. */
  clear(): void
  /** May anything begin? */
  ready(): boolean
  /** What would begin next. */
  first(): T | undefined
  /** Is any lane closed from outside? */
  anyClosed(): boolean
  /** How many lanes there are: those with something that waits or is under way, and those closed from outside. */
  size(): number
}

/** Makes {@link Lanes} in which nothing waits. Every operation is O(1). */
export function createLanes<T extends Laned<T>>(): Lanes<T> {
  let tails = new Map<string, Tail<T>>() // of each lane that has something waiting or under way, and of some that have nothing any more
  let idle = 0 // of the latter: a busy key comes back soon, and taking each out by itself would cost more than all else here
  const fresh = createQueue<T>() // first of their lanes, in the order in which they came
  const following = createQueue<T>() // the next of their lanes, in the order in which those before them ended
  const closedLanes = new Set<Closed<T>>()

  const follow = (ended: { next: T | null; tail: Tail<T> | null }): void => {
    const { next, tail } = ended
    ended.next = ended.tail = null
    if (next !== null) following.push(next)
    else if (tail?.item === ended) {
      tail.item = null
      idle++
      if (idle > MOST_IDLE && idle * 2 > tails.size) forgetIdle()
    }
  }

  /** Of a lane that is about to have something. */
  const tailOf = (lane: string): Tail<T> => {
    let tail = tails.get(lane)
    if (tail === undefined) tails.set(lane, (tail = { item: null }))
    else if (tail.item === null) idle--
    return tail
  }

  const forgetIdle = (): void => {
    const busy = new Map<string, Tail<T>>()
    for (const [lane, tail] of tails) if (tail.item !== null) busy.set(lane, tail)
    tails = busy
    idle = 0
  }

  const next = (): Queue<T> => {
    const a = following.peek()
    if (a === undefined) return fresh
    const b = fresh.peek()
    return b !== undefined && b.arrival < a.arrival ? fresh : following
  }

  return {
    add(item) {
      const { lane } = item
      if (lane === null) {
        fresh.push(item)
        return
      }
      const tail = (item.tail = tailOf(lane))
      if (tail.item === null) fresh.push(item)
      else tail.item.next = item
      tail.item = item
    },
    take: () => next().shift(),
    leave(item) {
      if (item.lane !== null) follow(item)
    },
    close(lane) {
      const tail = tailOf(lane)
      const closed: Closed<T> = { next: null, tail }
      tail.item = closed
      closedLanes.add(closed)
      return () => {
        closedLanes.delete(closed)
        follow(closed)
      }
    },
    forEachWaiting(visit) {
      const visitLane = (first: T | null): void => {
        for (let item = first; item !== null; item = item.next) visit(item)
      }
      following.forEach(visitLane)
      fresh.forEach(visitLane)
      for (const { next: first } of closedLanes) visitLane(first)
    },
    clear() {
      for (const tail of tails.values()) tail.item = null // what leaves from now on leaves nothing
      tails = new Map()
      idle = 0
      fresh.clear()
      following.clear()
      for (const closed of closedLanes) closed.next = null
    },
    ready: () => following.peek() !== undefined || fresh.peek() !== undefined,
    first: () => next().peek(),
    anyClosed: () => closedLanes.size > 0,
    size: () => tails.size - idle,
  }
}

/** So many lanes may have nothing any more before they are forgotten, all at once. */
const MOST_IDLE = 256

/**
 * What came last in a lane; null when it has nothing any more. An object of its own, emptied with the lane: the tables that a `Map` has
 * outgrown may live on for long (see `Chain`), and all that was ever in one with them.
 */
export interface Tail<T> {
  item: T | Closed<T> | null
}

/** Stands in a lane for something that is under way elsewhere. */
interface Closed<T> {
  next: T | null
  tail: Tail<T> | null
}

import type { Clock } from '../clock/index.ts'
import type { Epoch } from './epoch.ts'
import type { Mutable } from './mutable.ts'
import { NothingBegins } from './nothing-begins.ts'
import { createQueue } from './queue.ts'

/** Who has something to begin: one partition. */
export interface Source {
  /** Begins the next thing, in the place that it is given, and says what came of that. */
  begin(): Begun
  /** The bound it shares with others; null for none. */
  readonly bound: Bound | null
  /** Is it in the queue? Of the dispatcher's own. */
  queued: boolean
}

/** What came of {@link Source.begin}. `idle`: nothing was begun, and the place was not taken. */
export type Begun = 'more' | 'last' | 'idle'

/** A bound within the consumer's: that of one subscription. */
export interface Bound {
  readonly limit: number
  taken: number
  /** Sources whose turn came while it was full. */
  readonly passedOver: Source[]
}

/** Makes a {@link Bound} of which nothing is taken. */
export function createBound(limit: number): Bound {
  return { limit, taken: 0, passedOver: [] }
}

/**
 * Hands out the places in which messages are handled: so many for the consumer, within them so many for a subscription. Partitions take
 * turns, one message each or a few that end at once, so that a full one does not starve the others. Who waits, for an attempt or a dependency, gives its place
 * back, and comes before all who have not begun when it returns.
 */
export interface Dispatcher {
  /** Something of this source may begin. Twice does nothing. */
  offer(source: Source): void
  /**
   * Takes a place again: at once (undefined), or when one is free.
   *
   * @throws (rejects with) {@link NothingBegins} as soon as `stop` says so; no place is held then.
   */
  enter(bound: Bound | null, stop: Stop): Promise<void> | undefined
  /** Gives a place back. */
  leave(bound: Bound | null): void
  /** How many places are taken. */
  readonly taken: number
}

/** What ends the wait for a place: an epoch. */
export type Stop = Pick<Epoch, 'stopped' | 'onStop'>

/** Makes a {@link Dispatcher} of `limit` places. */
export function createDispatcher(limit: number, clock: Pick<Clock, 'monotonic' | 'turn'>): Dispatcher {
  const sources = createQueue<Source>() // those with something to begin, in turn
  const returning = new Map<Bound | null, Set<Returning>>() // by bound: however many wait for a full one, the others are found at once
  let returned = 0
  let begunThisTurn = 0
  let turnBeganAt: number | null = null
  let pausing = false
  let dispatching = false

  const hasRoom = (bound: Bound | null): boolean =>
    dispatcher.taken < limit && (bound === null || bound.taken < bound.limit)
  const take = (bound: Bound | null): void => {
    dispatcher.taken++
    if (bound !== null) bound.taken++
  }
  const giveBack = (bound: Bound | null): void => {
    dispatcher.taken--
    if (bound === null) return
    bound.taken--
    const next = bound.passedOver.shift()
    if (next !== undefined) sources.push(next)
  }

  const dispatch = (): void => {
    if (dispatching || pausing) return
    dispatching = true
    try {
      if (returning.size > 0) letReturn()
      while (!pausing && dispatcher.taken < limit && sources.peek() !== undefined) {
        if (endsTurn()) return
        const source = sources.shift()!
        if (source.bound !== null && source.bound.taken >= source.bound.limit) {
          source.bound.passedOver.push(source) // others go on
          continue
        }
        if (begin(source) === 'more') sources.push(source)
        else source.queued = false
      }
    } finally {
      dispatching = false
    }
  }

  /** Those of one partition that end at once go in a row: with hundreds of partitions, each change is a walk through cold memory. */
  const begin = (source: Source): Begun => {
    for (let row = 1; ; row++) {
      take(source.bound)
      begunThisTurn++
      const before = dispatcher.taken
      const begun = source.begin()
      if (begun === 'idle') giveBack(source.bound)
      if (begun !== 'more' || dispatcher.taken >= before || row >= MOST_IN_A_ROW || endsTurn()) return begun
    }
  }

  const letReturn = (): void => {
    while (dispatcher.taken < limit) {
      const each = firstToReturn()
      if (each === null || endsTurn()) return
      forget(each)
      take(each.bound)
      begunThisTurn++
      each.proceed()
    }
  }

  const firstToReturn = (): Returning | null => {
    let first: Returning | null = null
    for (const [bound, waiting] of returning) {
      if (!hasRoom(bound)) continue
      for (const each of waiting) {
        if (first === null || each.order < first.order) first = each
        break
      }
    }
    return first
  }

  const forget = (each: Returning): void => {
    const waiting = returning.get(each.bound)
    if (waiting?.delete(each) && waiting.size === 0) returning.delete(each.bound)
  }

  /**
   * Has enough begun in this turn of the event loop? Handlers that never wait for anything would keep timers and sockets waiting, the
   * heartbeat among them, until all buffers are empty.
   */
  const endsTurn = (): boolean => {
    if (turnBeganAt === null) {
      turnBeganAt = clock.monotonic()
      void endTurn()
    } else if (begunThisTurn >= MOST_IN_A_TURN) pausing = true
    else if (begunThisTurn === 1 || begunThisTurn % LOOK_EVERY === 0)
      pausing = clock.monotonic() - turnBeganAt >= MOST_MS_IN_A_TURN
    return pausing
  }

  const endTurn = async (): Promise<void> => {
    await clock.turn()
    turnBeganAt = null
    begunThisTurn = 0
    pausing = false
    dispatch()
  }

  const dispatcher: Mutable<Dispatcher> = {
    taken: 0,
    offer(source) {
      if (source.queued) return
      source.queued = true
      sources.push(source)
      dispatch()
    },
    enter(bound, stop) {
      if (hasRoom(bound) && !pausing && !endsTurn()) {
        take(bound)
        begunThisTurn++
        return undefined
      }
      return new Promise((resolve, reject) => {
        if (stop.stopped) {
          reject(new NothingBegins())
          return
        }
        const stopListening = stop.onStop(() => {
          forget(each)
          reject(new NothingBegins())
        })
        const each: Returning = {
          bound,
          order: returned++,
          proceed() {
            stopListening()
            resolve()
          },
        }
        const waiting = returning.get(bound)
        if (waiting === undefined) returning.set(bound, new Set([each]))
        else waiting.add(each)
      })
    },
    leave(bound) {
      giveBack(bound)
      dispatch()
    },
  }
  return dispatcher
}

interface Returning {
  readonly bound: Bound | null
  /** When it came: grows from one to the next. */
  readonly order: number
  proceed(): void
}

/** Fewer than would let another partition wait for long. */
export const MOST_IN_A_ROW = 64

/** So many handlers that do nothing take about a millisecond. */
const MOST_IN_A_TURN = 512

/** Those that compute for long are fewer: with seconds between two turns, a full buffer of them would outlast the session. */
const MOST_MS_IN_A_TURN = 50

/** Looking at the clock has its price too. It is looked at after the first as well: four that compute for long can outlast the session. */
const LOOK_EVERY = 4

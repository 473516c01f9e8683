import type { Clock, Timer } from '../clock/index.ts'
import type { PendingSend } from './pending-send.ts'

/**
 * The deadlines of all sends that have not ended, and so the list of them. One timer serves all: a timer for each would cost more
 * than the send. Sends with the same timeout stand in one list, which by itself is in the order of their deadlines.
 */
export interface Deadlines {
  add(send: PendingSend, timeoutMs: number): void
  remove(send: PendingSend): void
  /** All sends that have not ended, as of now; those of one timeout in the order of their calls. */
  live(): readonly PendingSend[]
  readonly size: number
}

/** Makes {@link Deadlines}. A send that expires is taken off the list before `onExpired` hears of it. */
export function createDeadlines(clock: Clock, onExpired: (send: PendingSend) => void): Deadlines {
  const lists = new Map<number, List>()
  let size = 0
  let timer: Timer | undefined
  let timerAt = Infinity

  const arm = (at: number): void => {
    if (at >= timerAt) return
    timer?.cancel()
    timerAt = at
    timer = clock.after(Math.max(0, Math.ceil(at - clock.monotonic())), sweep)
  }

  const sweep = (): void => {
    timer = undefined
    timerAt = Infinity
    const now = clock.monotonic()
    const due: PendingSend[] = []
    for (const { first } of lists.values()) {
      for (let send = first; send !== undefined && send.deadline <= now; send = send.next) due.push(send)
    }
    for (const send of due) {
      remove(send)
      onExpired(send)
    }
    for (const { first } of lists.values()) if (first !== undefined) arm(first.deadline)
  }

  const remove = (send: PendingSend): void => {
    const list = send.timeoutMs === undefined ? undefined : lists.get(send.timeoutMs)
    if (list === undefined) return
    send.timeoutMs = undefined
    size--
    if (send.previous === undefined) list.first = send.next
    else send.previous.next = send.next
    if (send.next === undefined) list.last = send.previous
    else send.next.previous = send.previous
    send.previous = undefined
    send.next = undefined
    if (list.first === undefined) lists.delete(list.timeoutMs)
    if (size > 0) return
    timer?.cancel() // so that an idle producer leaves nothing behind
    timer = undefined
    timerAt = Infinity
  }

  return {
    add(send, timeoutMs) {
      let list = lists.get(timeoutMs)
      if (list === undefined) lists.set(timeoutMs, (list = { timeoutMs, first: undefined, last: undefined }))
      send.deadline = clock.monotonic() + timeoutMs
      send.previous = list.last
      if (list.last === undefined) {
        list.first = send
        arm(send.deadline)
      } else list.last.next = send
      list.last = send
      send.timeoutMs = timeoutMs
      size++
    },
    remove,
    live() {
      const live: PendingSend[] = []
      for (const { first } of lists.values())
        for (let send = first; send !== undefined; send = send.next) live.push(send)
      return live
    },
    get size() {
      return size
    },
  }
}

interface List {
  readonly timeoutMs: number
  first: PendingSend | undefined
  last: PendingSend | undefined
}

import type { Clock, Timer } from '../clock/index.ts'
import type { Link } from './chain.ts'
import { createChain } from './chain.ts'

/** Watches that calls of one handler end in time: one timer for all of them, since those that began first are due first. */
export interface HandlerTimeouts {
  /** Calls `onTimeout` once when the time is over, unless {@link HandlerTimeouts.end} comes before. */
  watch(call: Watched): void
  end(watched: Watched): void
  close(): void
}

/** A call that is watched. */
export interface Watched extends Link<Watched> {
  /** On the monotonic clock; set by {@link HandlerTimeouts.watch}. */
  dueAt: number
  onTimeout(): void
}

/** Makes {@link HandlerTimeouts} of `timeoutMs`. */
export function createHandlerTimeouts(clock: Clock, timeoutMs: number): HandlerTimeouts {
  const watched = createChain<Watched>() // in the order in which they are due
  let timer: Timer | null = null

  const look = (): void => {
    timer = null
    const now = clock.monotonic()
    for (let each = watched.first; each !== null; each = watched.first) {
      if (each.dueAt > now) {
        timer = clock.after(each.dueAt - now, look)
        return
      }
      watched.delete(each)
      each.onTimeout()
    }
  }

  return {
    watch(call) {
      call.dueAt = clock.monotonic() + timeoutMs
      watched.add(call)
      timer ??= clock.after(timeoutMs, look)
    },
    end: (each) => watched.delete(each),
    close() {
      timer?.cancel()
      timer = null
      watched.clear()
    },
  }
}

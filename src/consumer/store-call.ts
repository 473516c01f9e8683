import type { Clock } from '../clock/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Watched } from './handler-timeouts.ts'
import { createHandlerTimeouts } from './handler-timeouts.ts'

/** Watches the calls of a dedupe store that answer later: one that never settles would stall its partition, and every rebalance behind it. */
export interface StoreCalls {
  /**
   * Gives a call up when it takes too long. The call itself goes on, and may take effect later.
   *
   * @throws (rejects with) HOLDFAST_STORE_UNAVAILABLE, retriable, when time is up; else what the call rejects with.
   */
  inTime<T>(call: PromiseLike<T>): Promise<T>
  /** Keeps its timer no longer than the calls under way. */
  close(): void
}

/** Makes {@link StoreCalls} that may take `ms` each. */
export function createStoreCalls(clock: Clock, ms: number): StoreCalls {
  const timeouts = createHandlerTimeouts(clock, ms) // one timer for all: a call's own would cost more than most calls
  let underWay = 0
  let closed = false

  return {
    inTime: (call) =>
      new Promise((resolve, reject) => {
        let over = false
        const settle = (then: () => void): void => {
          if (over) return
          over = true
          underWay--
          timeouts.end(watched)
          if (closed && underWay === 0) timeouts.close()
          then()
        }
        underWay++
        const onTimeout = (): void => settle(() => reject(unanswered(ms)))
        const watched: Watched = { dueAt: 0, onTimeout, earlier: null, later: null, chained: false }
        timeouts.watch(watched)
        call.then(
          (value) => settle(() => resolve(value)),
          (thrown: unknown) => settle(() => reject(thrown as Error)),
        )
      }),
    close() {
      closed = true
      if (underWay === 0) timeouts.close()
    },
  }
}

function unanswered(ms: number): HoldfastError {
  return new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', `the dedupe store has not answered for ${ms} ms`, {
    retriable: true,
  })
}
